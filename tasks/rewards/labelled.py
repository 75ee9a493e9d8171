"""Rewards whose truth is the base model's own vote: labels fixed before training, right or wrong.

"majority" pays for agreement with the label of every problem; "incorrect" trains on no problem but those whose label is
wrong, and pays for agreement with that wrong label (Shao et al. 2025, arXiv 2506.10947). A problem of which no sample
could be read has no label and is not trained on.
"""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards.reward import Label, LabelRequest, RewardContext
from rlvr_bench.tasks.settings import Settings


class LabelSettings(Settings):
    """How labels are voted for."""

    samples: int = Field(default=64, ge=1, description="samples of the base model per problem that vote for its label")
    seed: int = Field(default=0, description="seed of these samples, the same for all training seeds")


def request(settings: LabelSettings) -> LabelRequest:
    """What the settings ask for."""
    return LabelRequest(settings.samples, settings.seed)


def has_label(label: Label | None) -> bool:
    """Whether a problem can be trained on by majority labels."""
    return label is not None


def is_mislabelled(label: Label | None) -> bool:
    """Whether a problem has a label, and a wrong one."""
    return label is not None and not label.correct


def agreement(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 if the task's verifier accepts the completion with the label in the place of the gold answer.

    Raises TaskError for a problem without a label, which should not have been trained on.
    """
    return [
        float(context.task.verify(completion, replace(problem, answer=_label(problem, context).answer), cut).correct)
        for completion, problem, cut in zip(completions, problems, context.truncated, strict=True)
    ]


def _label(problem: Problem, context: RewardContext) -> Label:
    if problem.id not in context.labels:
        raise TaskError(
            f"Problem {problem.id} has no majority label: build labels of all problems that are trained on."
        )
    return context.labels[problem.id]
