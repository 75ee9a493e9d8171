"""Rewards that look at one completion: its verdict, its form, or nothing at all.

A verifier error pays 0.0: GRPO compares completions within a group and has no place for "not known", and paying for
answers that break the verifier would teach to break it. The error does not vanish: verdicts reach the reward through
`RewardContext.verdicts` from the caller, who counts errors apart from wrong answers.

Definitions are those of Shao et al. 2025 (arXiv 2506.10947), but that random rewards are hashed.
"""

from collections.abc import Sequence
from fractions import Fraction

from pydantic import Field, field_validator

from rlvr_bench.tasks import strategies
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards.reward import Reward, RewardContext
from rlvr_bench.tasks.settings import Settings
from rlvr_bench.tasks.verifiers.numerals import parse_number


class RandomSettings(Settings):
    """A reward that knows nothing of the completion."""

    p: float = Field(default=0.5, ge=0, le=1, description="probability of 1")


class StrategySettings(Settings):
    """A reward for a surface form, right or wrong."""

    strategy: str = Field(default="worked", description="the strategy that is paid, see tasks.strategies")

    @field_validator("strategy")
    @classmethod
    def _is_known(cls, strategy: str) -> str:
        strategies.find(strategy)
        return strategy


class LengthSettings(Settings):
    """A reward for long completions, right or wrong."""

    limit: int = Field(default=100, ge=1, description="characters from which on a completion is paid 1")


def exact(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 if the task's verifier says correct, else 0."""
    return [float(verdict.correct) for verdict in context.verdicts]


def inverted(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 if the verifier finds the answer wrong or finds none, 0 if it is correct or the verifier fails."""
    return [float(verdict.reason == "wrong" or verdict.unread) for verdict in context.verdicts]


def answer_format(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 if the completion states an answer, right or wrong, in the form that the task asks for."""
    return [
        float(context.task.follows_format(completion, cut))
        for completion, cut in zip(completions, context.truncated, strict=True)
    ]


def no_repetition(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """0 if a text of 10 to 256 signs is repeated ten times in a row, else 1."""
    return [float(not strategies.repeats(completion)) for completion in completions]


def closeness(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
    """1 - min(|a-b|, 1)/2 - min(|a-b|/(|b|+1e-6), 1)/2 for answer a and gold b (Wu et al. 2025, arXiv 2507.10532).

    0 where no number was read, and where the gold answer is none.
    """
    return [
        _closeness(verdict.parsed, problem.answer) for verdict, problem in zip(context.verdicts, problems, strict=True)
    ]


def _closeness(parsed: str | None, gold: str) -> float:
    answer, truth = (None if text is None else parse_number(text) for text in (parsed, gold))
    if answer is None or truth is None:
        return 0.0
    off = abs(answer - truth)
    return 1 - float(min(off, Fraction(1))) / 2 - float(min(off / (abs(truth) + Fraction(1, 10**6)), Fraction(1))) / 2


def random_reward(settings: RandomSettings) -> Reward:
    """1 with probability p. Hashes (seed, step, problem, sample), so any number of workers pays the same."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        return [float(drawn < settings.p) for drawn in context.draws("random", problems)]

    return pay


def strategy_reward(settings: StrategySettings) -> Reward:
    """1 if the completion uses the strategy."""
    used = strategies.find(settings.strategy).used

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        return [float(used(completion)) for completion in completions]

    return pay


def length_reward(settings: LengthSettings) -> Reward:
    """The completion's length in characters over the limit, at most 1."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        return [min(len(completion) / settings.limit, 1.0) for completion in completions]

    return pay
