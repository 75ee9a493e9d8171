"""What a sweep optimises: each a number of a trial from the records of its seeds."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from rlvr_bench.record.schema import RunRecord


class Objective(NamedTuple):
    """A direction, what is read from the record of one seed (None: undefined), and what it means."""

    direction: Literal["maximize", "minimize"]
    of: Callable[[RunRecord], float | None]
    meaning: str


def _accuracy(record: RunRecord) -> float | None:
    score = record.score("tuned", str(record.keys.task["name"]), "validation")
    return None if score is None else score.greedy


def _stability(record: RunRecord) -> float | None:
    training = record.stability
    if training is None or training.reward_last is None or training.reward_peak is None:
        return None
    return training.reward_last - training.reward_peak


def _tokens(record: RunRecord) -> float | None:
    return record.cost.tokens


OBJECTIVES: dict[str, Objective] = {
    "accuracy": Objective("maximize", _accuracy, "greedy accuracy on validation"),
    "stability": Objective("maximize", _stability, "last reward minus its peak: 0 when nothing was lost after it"),
    "tokens": Objective("minimize", _tokens, "tokens generated in training"),
}


def values_of(names: Sequence[str], records: Sequence[RunRecord]) -> list[float] | str:
    """Return the mean over seeds of each objective, or the name of the first that a record does not define."""
    values = []
    for name in names:
        objectives = [OBJECTIVES[name].of(record) for record in records]
        known = [value for value in objectives if value is not None]
        if len(known) < len(objectives):
            return name
        values.append(fmean(known))
    return values
