"""The measurement `behaviour`: how greedy answers were reached, by strategy, and what changing them gained."""

from collections.abc import Sequence
from itertools import product
from statistics import fmean
from typing import Literal

from rlvr_bench.evaluate.grading import SampleRow
from rlvr_bench.evaluate.measurements import Behaviour as BehaviourSettings
from rlvr_bench.evaluate.scores import base_identity
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.record.behaviour import Answers, Behaviour, Change, StrategyUse, Transition
from rlvr_bench.record.samples import read_samples
from rlvr_bench.tasks.strategies import STRATEGIES, repeats

Uses = dict[str, list[bool]]
"""By strategy, whether each answer uses it."""

_NAMES = {True: "with", False: "without"}


class BehaviourOfCell(Measurement[BehaviourSettings]):
    """The base's greedy answers to the trained task against the tuned model's."""

    def before(self, context: CellContext) -> None:
        """See `Measurement`; the base was scored, so that its answers are in the cache."""
        base, task, split = context.loaded, context.task, _split(context)
        settings, backend = context.cell.evaluate, context.backend
        identity = base_identity(base, task, split, settings, backend)
        self._answers = greedy_rows(read_samples(identity), task.name, split)

    def after(self, context: CellContext, trained: TrainedModel) -> Behaviour:
        """See `Measurement`."""
        split = _split(context)
        return behaviour(self._answers, greedy_rows(trained.samples, context.task.name, split), split)


def behaviour(
    before: Sequence[SampleRow], after: Sequence[SampleRow], split: Literal["validation", "test"]
) -> Behaviour:
    """Compare the greedy answers of the base and of the tuned model.

    Args:
        before, after: one row per problem, the same problems in the same order.
        split: the split that they belong to.

    Raises:
        ValueError: the rows are not of the same problems.
    """
    if [row["problem_id"] for row in before] != [row["problem_id"] for row in after]:
        raise ValueError("base and tuned model answered different problems; evaluate both on the same split")
    uses = [
        {name: [bool(kind.used(row["completion"])) for row in rows] for name, kind in STRATEGIES.items()}
        for rows in (before, after)
    ]
    used = [name for name in STRATEGIES if any(any(model[name]) for model in uses)]
    return Behaviour(
        split=split,
        problems=len(before),
        base=_answers(before, uses[0], used),
        tuned=_answers(after, uses[1], used),
        transitions={name: _transitions(before, after, uses[0][name], uses[1][name]) for name in used},
    )


def greedy_rows(rows: Sequence[SampleRow], task: str, split: str) -> list[SampleRow]:
    """The greedy answers to one split of one task among a model's completions, in their order."""
    return [row for row in rows if (row["task"], row["split"], row["temperature"]) == (task, split, 0.0)]


def _split(context: CellContext) -> Literal["validation", "test"]:
    """The split whose answers are compared: test, or validation where test is not scored."""
    return "test" if "test" in context.cell.evaluate.splits and context.task.problems("test") else "validation"


def _answers(rows: Sequence[SampleRow], uses: Uses, used: Sequence[str]) -> Answers:
    correct = [bool(row["correct"]) for row in rows]
    return Answers(
        strategies={name: _use(uses[name], correct) for name in used},
        repetition=fmean(repeats(row["completion"]) for row in rows),
        length_right=_mean([row["tokens"] for row in rows if row["correct"]]),
        length_wrong=_mean([row["tokens"] for row in rows if not row["correct"]]),
    )


def _use(used: Sequence[bool], correct: Sequence[bool]) -> StrategyUse:
    by_use = {kind: [right for use, right in zip(used, correct, strict=True) if use == kind] for kind in (True, False)}
    return StrategyUse(frequency=fmean(used), accuracy_with=_mean(by_use[True]), accuracy_without=_mean(by_use[False]))


def _transitions(
    before: Sequence[SampleRow], after: Sequence[SampleRow], used_before: Sequence[bool], used_after: Sequence[bool]
) -> dict[Change, Transition]:
    gained: dict[tuple[bool, bool], list[int]] = {(was, now): [] for was, now in product((True, False), repeat=2)}
    for first, second, was, now in zip(before, after, used_before, used_after, strict=True):
        gained[was, now].append(int(second["correct"]) - int(first["correct"]))
    return {
        f"{_NAMES[was]}-{_NAMES[now]}": Transition(problems=len(changes), gained=sum(changes))  # type: ignore[misc]
        for (was, now), changes in gained.items()
    }


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
