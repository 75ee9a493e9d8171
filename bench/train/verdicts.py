"""Verdicts that count as labels only when somebody looks at them."""

from collections.abc import Sequence
from typing import overload

from rlvr_bench.tasks.problem import Verdict


class CountedVerdicts(Sequence[Verdict]):
    """The verdicts of a batch; `read` says how many a reward looked at, so that a control reward buys none."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        self._verdicts = list(verdicts)
        self._seen: set[int] = set()

    @overload
    def __getitem__(self, place: int) -> Verdict: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Verdict]: ...
    def __getitem__(self, place: int | slice) -> Verdict | Sequence[Verdict]:
        graded = self._verdicts[place]
        self._seen.update([range(len(self))[place]] if isinstance(place, int) else range(len(self))[place])
        return graded

    def __len__(self) -> int:
        return len(self._verdicts)

    @property
    def read(self) -> int:
        """Verdicts that were looked at."""
        return len(self._seen)
