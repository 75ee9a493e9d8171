"""Which problems a cell trains on: all of the train split, the ones that its reward can use, or the first few."""

from collections.abc import Mapping
from itertools import cycle, islice
from typing import Any

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.signals import Signal
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards import Label
from rlvr_bench.tasks.task import Task


def training_problems(
    task: Task, reward: Mapping[str, Any], labels: Mapping[str, Label], settings: Signal
) -> list[Problem]:
    """The problems in their order; the first `settings.train_problems`, if given, repeated until they fill a batch.

    Raises:
        ExperimentError: fewer are left than a batch asks.
    """
    usable = [problem for problem in task.problems("train") if rewards.keeps(reward, labels.get(problem.id))]
    needed = settings.problems_needed if settings.train_problems is None else settings.train_problems
    if len(usable) < needed:
        raise ExperimentError(
            f"reward {rewards.title(reward)!r} can train on {len(usable)} of the problems of task {task.name!r}, but"
            f" {needed} are asked for; give the task more train problems, or lower signal.{settings.problems_key}"
        )
    if settings.train_problems is None:
        return usable
    few = usable[: settings.train_problems]
    return list(islice(cycle(few), max(len(few), settings.problems_needed)))
