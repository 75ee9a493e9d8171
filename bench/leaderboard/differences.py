"""One leaderboard against another: what is the same, what differs within noise, what differs beyond it.

Rule. Rows are matched by comparison, method and settings. Equal accuracy (as written, four digits) is "same". Otherwise
the 95 % interval of the difference decides: "within noise" if it holds zero.

- With the run records of both at hand the interval is that of a difference on the same problems, as in the leaderboard
  itself: problems are paired, so their difficulty cancels; seeds are independent.
- With only the two tables it is built from two intervals (MOVER: Zou & Donner 2008, Stat. Med. 27:1693), as if they
  were independent. That is too wide where problems are shared: it misses small differences, it invents none. The
  intervals are those of the accuracy given that a run is sound, where both tables have it.

One interval per row, not corrected for their number: of 20 rows that are equal in truth, about one lies beyond noise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import sqrt
from typing import Any, Literal

from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.standings import Standing
from rlvr_bench.stats.estimate import Estimate, difference

Test = Literal["paired by problem", "from two intervals"]
Verdict = Literal["same", "within noise", "beyond noise", "not scored", "only here", "only in the reference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row here and in the reference.

    Attributes:
        here, reference: accuracies.
        estimate: here minus reference, where both have an accuracy with an interval.
        test: where its interval comes from.
        group_here, group_reference: tie letters.
    """

    comparison: str
    method: str
    verdict: Verdict
    here: float | None
    reference: float | None
    estimate: Estimate | None = None
    test: Test | None = None
    group_here: str = ""
    group_reference: str = ""

    @property
    def group_changed(self) -> bool:
        """Whether a row that both have moved to another tie group."""
        both = self.verdict not in ("only here", "only in the reference")
        return both and self.group_here != self.group_reference

    @property
    def changed(self) -> bool:
        """Whether there is more to say than that nothing happened."""
        alone = self.verdict in ("only here", "only in the reference")
        return alone or self.here != self.reference or self.group_changed


def standings_of(rows: Iterable[Row]) -> list[Standing]:
    """Return the standings of a table that was read from a file: without the outcomes behind it."""
    return [Standing(row) for row in rows]


def compare(here: Sequence[Standing], reference: Sequence[Standing]) -> list[Difference]:
    """Match the rows of two leaderboards, in the order of `here`, then what only the reference has."""
    others = {standing.key: standing for standing in reference}
    own = {standing.key for standing in here}
    matched = [_difference(standing, others.get(standing.key)) for standing in here]
    missing = [standing for standing in reference if standing.key not in own]
    return matched + [
        Difference(*_names(s), "only in the reference", None, _accuracy(s.row), group_reference=_group(s))
        for s in missing
    ]


def as_document(differences: Iterable[Difference]) -> list[dict[str, Any]]:
    """Return differences as JSON-able data."""
    return [asdict(item) | {"group_changed": item.group_changed} for item in differences]


def _difference(here: Standing, reference: Standing | None) -> Difference:
    accuracy = _accuracy(here.row)
    if reference is None:
        return Difference(*_names(here), "only here", accuracy, None, group_here=_group(here))
    other = _accuracy(reference.row)
    with_verdict = partial(
        Difference,
        *_names(here),
        here=accuracy,
        reference=other,
        group_here=_group(here),
        group_reference=_group(reference),
    )
    if accuracy is None or other is None:
        return with_verdict(verdict="not scored")
    if accuracy == other:
        return with_verdict(verdict="same")
    estimate, test = difference_interval(here, reference)
    noise = estimate is None or estimate.low <= 0 <= estimate.high
    return with_verdict(verdict="within noise" if noise else "beyond noise", estimate=estimate, test=test)


def difference_interval(here: Standing, reference: Standing) -> tuple[Estimate | None, Test | None]:
    """Return accuracy here minus in the reference with its 95 % interval and its test; None if one has no interval."""
    if here.outcomes is not None and reference.outcomes is not None and here.problems == reference.problems:
        return difference(here.outcomes, reference.outcomes), "paired by problem"
    names = ("accuracy_sound", "accuracy")
    one, other = next(
        (pair for name in names if all(pair := (_interval(here.row, name), _interval(reference.row, name)))),
        (None, None),
    )
    if one is None or other is None:
        return None, None
    mean = one.mean - other.mean
    low = mean - sqrt((one.mean - one.low) ** 2 + (other.high - other.mean) ** 2)
    high = mean + sqrt((one.high - one.mean) ** 2 + (other.mean - other.low) ** 2)
    return Estimate(mean, low, high), "from two intervals"


def _names(standing: Standing) -> tuple[str, str]:
    return str(standing.row["comparison"]), str(standing.row["method"])


def _group(standing: Standing) -> str:
    return str(standing.row["rank_group"] or "")


def _interval(row: Row, name: str) -> Estimate | None:
    mean, low, high = (row.get(f"{name}{end}") for end in ("", "_lo", "_hi"))
    if not (isinstance(mean, float) and isinstance(low, float) and isinstance(high, float)):
        return None
    return Estimate(mean, low, high)


def _accuracy(row: Row) -> float | None:
    value = row["accuracy"]
    return value if isinstance(value, float) else None
