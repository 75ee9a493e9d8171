"""The settings of one-token verification and parallel thinking. Imports no torch.

A default here is the vetted setting.
"""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from rlvr_bench.experiment.seeds import LARGEST_SEED
from rlvr_bench.experiment.settings import Count, Temperature
from rlvr_bench.plugins.settings import Settings

Labels = Literal["ramp", "hard", "mc", "td"]


Span = tuple[float, float]
"""Where a part of a row begins and ends, as shares of the row."""


class Reach(Settings):
    """What of the cache a probe reads; by default all of it."""

    layers: Span = (0.0, 1.0)
    """Of the layers, from the embedding up; in the others a probe token sees itself alone."""
    heads: Span = (0.0, 1.0)
    """Of the key-value heads of each layer, in their order."""
    newest: int | None = Field(None, ge=1)
    """Tokens before the probe; None reads prompt and trace from their beginning."""

    @field_validator("layers", "heads")
    @classmethod
    def _is_a_part(cls, span: Span) -> Span:
        if not 0 <= span[0] < span[1] <= 1:
            raise ValueError(f"[{span[0]}, {span[1]}] is no part of [0, 1]; give where it begins and a higher end")
        return span


class ScorerSettings(Settings):
    """A scorer that reads a trace at any position, and how it is trained on the model's own traces."""

    probe_tokens: int = Field(1, ge=1, le=8)
    """Tokens that read the cache one after the other; the last one is scored."""
    rank: int = Field(16, ge=0)
    """Rank of the LoRA that only probe tokens see; 0 trains the token's embedding and the head alone."""
    reach: Reach = Reach()
    labels: Labels = "ramp"
    loss: Literal["bce", "mse"] = "bce"
    learning_rate: float = Field(3e-3, gt=0, le=1e3)
    epochs: Count = 4
    batch_size: Count = 64
    """Traces in one optimizer step."""
    positions_per_trace: Count | None = 8
    """Positions of a trace that one step scores, drawn anew each time and always with the last; None takes all."""
    stride: Count = 1
    """A position is scored every N tokens, and the last one."""
    td_lambda: float = Field(0.9, ge=0, le=1)
    mc_rollouts: Count = 8
    mc_positions: Count = 4
    """Positions of a trace that Monte-Carlo labels are made for."""
    seed: int = Field(0, ge=0, le=LARGEST_SEED)


class TraceSettings(Settings):
    """Which traces a scorer is trained, chosen and tested on."""

    samples: int = Field(16, ge=2)
    train_problems: Count = 256
    validation_problems: Count = 64
    test_problems: Count = 128
    max_new_tokens: int = Field(64, ge=2)
    temperature: Temperature = 1.0
    batch_size: Count = 512
    """Traces that are decoded at once."""
    prompt: str = "task"
    min_share: float = Field(0.0625, ge=0, le=1)
    """Training problems with a smaller share of correct traces are left out as too hard."""
    max_share: float = Field(0.9375, ge=0, le=1)
    balance: bool = True
    """Train on as many correct as wrong traces; scores are put back to the share of correct ones before balancing."""
    seed: int = Field(0, ge=0, le=LARGEST_SEED)

    @model_validator(mode="after")
    def _shares_are_ordered(self) -> "TraceSettings":
        if self.min_share > self.max_share:
            raise ValueError(f"min_share = {self.min_share} is above max_share = {self.max_share}; swap them")
        return self


class ThinkSettings(Settings):
    """Traces and the scorer on them."""

    traces: TraceSettings = TraceSettings()
    scorer: ScorerSettings = ScorerSettings()
