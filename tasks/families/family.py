"""What a procedural family offers: problems by level, the worked steps to their answers, and wrong answers.

Says nothing of prompts, completion formats or splits (see `tasks.procedural`).
"""

import random
from collections.abc import Callable
from typing import Protocol

from rlvr_bench.tasks.problem import Problem

Misbelief = Callable[[str], random.Random | None]
"""What somebody wrongly holds to be true: from the left side of a step ("7*3") to a generator that fixes the wrong
result, or None where the right result is written. The same generator state always gives the same wrong result."""


class Family(Protocol):
    """Problems of one kind, generated; the difficulty is a level, harder upwards."""

    @property
    def name(self) -> str:
        """The name in FAMILIES and in configs."""
        ...

    @property
    def levels(self) -> tuple[int, ...]:
        """All levels, in rising difficulty."""
        ...

    @property
    def description(self) -> str:
        """One line: what is asked, and what the level counts."""
        ...

    def sample(self, rng: random.Random, level: int) -> Problem:
        """A problem of `level`; raises TaskError if the family has no such level."""
        ...

    def work(
        self, problem: Problem, rng: random.Random, slips: int = 0, misbelief: Misbelief | None = None
    ) -> tuple[list[str], str]:
        """Worked steps (["7*3=1", "1+4=5"]) of a problem made by `sample`, and the answer that they lead to.

        `slips` steps (at most one per step) carry a wrong result that the later steps build on; the answer is then
        never the gold answer. Steps that `misbelief` objects to carry its result; the answer may still be right.
        """
        ...

    def distractor(self, problem: Problem, rng: random.Random) -> str:
        """A wrong but plausible answer."""
        ...
