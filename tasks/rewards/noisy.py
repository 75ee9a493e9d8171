"""A reward that is sometimes wrong: false positives and false negatives, at random or always in the same place.

That the pattern decides and not the rate is a claim of arXiv 2605.02909: systematic false positives lead to a plateau
or a collapse, systematic false negatives and random flips to a delay.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field

from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards.reward import Reward, RewardContext, unit_interval
from rlvr_bench.tasks.settings import Settings

Pattern = Literal["random", "problem", "answer"]


class NoisySettings(Settings):
    """Which reward, how often it is wrong, and where."""

    reward: str | dict[str, Any] = Field(default="exact", description="the reward that is falsified")
    false_positive: float = Field(default=0.0, ge=0, le=1, description="share of unpaid completions that are paid")
    false_negative: float = Field(default=0.0, ge=0, le=1, description="share of paid completions that are not paid")
    pattern: Pattern = Field(
        default="random",
        description="random: drawn for each completion; systematic: the same for all answers to a problem (problem),"
        " or whenever the same answer is given to it (answer)",
    )
    seed: int = Field(default=0, description="which problems or answers a systematic pattern hits")


Draw = Callable[[NoisySettings, Sequence[Problem], RewardContext], list[float]]


def _each_time(settings: NoisySettings, problems: Sequence[Problem], context: RewardContext) -> list[float]:
    return context.draws("noise", problems)


def _by_problem(settings: NoisySettings, problems: Sequence[Problem], context: RewardContext) -> list[float]:
    return [unit_interval(f"noise {settings.seed} {problem.id}") for problem in problems]


def _by_answer(settings: NoisySettings, problems: Sequence[Problem], context: RewardContext) -> list[float]:
    return [
        unit_interval(f"noise {settings.seed} {problem.id} {verdict.parsed}")
        for problem, verdict in zip(problems, context.verdicts, strict=True)
    ]


_DRAWS: dict[Pattern, Draw] = {"random": _each_time, "problem": _by_problem, "answer": _by_answer}


def noisy(reward: Reward, settings: NoisySettings) -> Reward:
    """`reward` with 1 - r in place of r where the noise hits; r of at least a half counts as paid."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        paid = reward(completions, problems, context)
        draws = _DRAWS[settings.pattern](settings, problems, context)
        rates = (settings.false_negative if each >= 0.5 else settings.false_positive for each in paid)
        return [1.0 - each if drawn < rate else each for each, drawn, rate in zip(paid, draws, rates, strict=True)]

    return pay
