"""What a record keeps of how answers were reached, beside whether they are right: greedy answers, base against tuned.

Strategies are those of `tasks.strategies`. Each splits the problems in four, by whether the answer used it before and
after training; what each part gained adds up to the gain (Shao et al. 2025, arXiv 2506.10947, section 4.2).
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rlvr_bench.record.numbers import Number, Share

Change = Literal["with-with", "with-without", "without-with", "without-without"]
"""Whether the answer to a problem used a strategy before and after training."""


class _FrozenModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StrategyUse(_FrozenModel):
    """One strategy in the answers of one model."""

    frequency: Share = Field(description="share of answers that use it")
    accuracy_with: Share = Field(description="accuracy of the answers that use it; null without any")
    accuracy_without: Share = Field(description="accuracy of the other answers; null without any")


class Answers(_FrozenModel):
    """The greedy answers of one model."""

    strategies: dict[str, StrategyUse] = Field(description="by strategy, of those that base or tuned model use")
    repetition: Share = Field(description="share of answers that repeat a text ten times in a row")
    length_right: Number = Field(description="mean tokens of right answers; null without any")
    length_wrong: Number = Field(description="mean tokens of wrong answers; null without any")


class Transition(_FrozenModel):
    """The problems whose answers changed, or kept, their strategy in one way."""

    problems: int = Field(ge=0)
    gained: int = Field(description="of them right after training minus right before")


class Behaviour(_FrozenModel):
    """Greedy answers of base and tuned model to the same problems of the trained task."""

    split: Literal["validation", "test"]
    problems: int = Field(ge=1)
    base: Answers
    tuned: Answers
    transitions: dict[str, dict[Change, Transition]] = Field(description="by strategy, of those that were used")

    @model_validator(mode="after")
    def _adds_up(self) -> "Behaviour":
        gains = {sum(part.gained for part in parts.values()) for parts in self.transitions.values()}
        if len(gains) > 1:
            raise ValueError(f"transitions of different strategies give different gains: {sorted(gains)}")
        if any(sum(part.problems for part in parts.values()) != self.problems for parts in self.transitions.values()):
            raise ValueError(f"the parts of a strategy do not add up to the {self.problems} problems")
        return self

    def contributions(self, strategy: str) -> dict[Change, float] | None:
        """Each part's share of the gain, in sum 1 (parts that lost are negative); None where nothing was gained."""
        parts = self.transitions.get(strategy, {})
        gain = sum(part.gained for part in parts.values())
        return {change: part.gained / gain for change, part in parts.items()} if gain else None
