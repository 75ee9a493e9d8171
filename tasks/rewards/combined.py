"""Rewards made of rewards: both at once, the opposite, a weighted sum.

In TOML a reward stands in another as a name or a table: {name = "and", rewards = ["exact", {name = "not", reward =
{name = "strategy", strategy = "python"}}]} pays for right answers without code.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, model_validator

from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards.reward import Reward, RewardContext
from rlvr_bench.tasks.settings import Settings

Inner = str | dict[str, Any]
"""The settings of a reward inside another, or its name."""
Create = Callable[[Inner], Reward]


class ManySettings(Settings):
    """Several rewards."""

    rewards: list[Inner] = Field(min_length=2, description="the rewards, each a name or a table")


class OneSettings(Settings):
    """One reward."""

    reward: Inner = Field(description="the reward, a name or a table")


class WeightedSettings(ManySettings):
    """Several rewards with their weights."""

    weights: list[float] = Field(description="one weight per reward, of either sign")

    @model_validator(mode="after")
    def _one_weight_each(self) -> "WeightedSettings":
        if len(self.weights) != len(self.rewards):
            raise ValueError(f"{len(self.weights)} weights for {len(self.rewards)} rewards, give one each")
        return self


def all_of(rewards: Sequence[Reward]) -> Reward:
    """The least of several rewards: of 0s and 1s, 1 where all pay."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        return [min(paid) for paid in _each(rewards, completions, problems, context)]

    return pay


def opposite_of(reward: Reward) -> Reward:
    """1 minus a reward."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        return [1.0 - paid for paid in reward(completions, problems, context)]

    return pay


def weighted(rewards: Sequence[Reward], weights: Sequence[float]) -> Reward:
    """The sum of rewards times their weights."""

    def pay(completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        return [
            sum(weight * each for weight, each in zip(weights, paid, strict=True))
            for paid in _each(rewards, completions, problems, context)
        ]

    return pay


def _each(
    rewards: Sequence[Reward], completions: Sequence[str], problems: Sequence[Problem], context: RewardContext
) -> list[tuple[float, ...]]:
    """What each reward pays, by completion."""
    paid = [
        reward(completions, problems, replace(context, place=f"{context.place}/{number}"))
        for number, reward in enumerate(rewards)
    ]
    return list(zip(*paid, strict=True))
