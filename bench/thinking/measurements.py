"""What a cell can measure of thinking with its trained model; what measures is imported by cells that ask for it."""

from typing import ClassVar, Literal

from pydantic import Field

from rlvr_bench.experiment.measurements import MeasurementSettings
from rlvr_bench.thinking.settings import ThinkSettings


class Thinking(MeasurementSettings, ThinkSettings):
    """Votes over the trained model's traces, weighed and stopped by a probe that is trained on that very model."""

    implementation: ClassVar[str] = "rlvr_bench.thinking.cell_column:ThinkingOfCell"
    needs_merged_weights: ClassVar[bool] = True


class FusedProbe(MeasurementSettings, ThinkSettings):
    """A probe that is trained with the policy, on GRPO's rollouts, and how one that is not grows old meanwhile."""

    implementation: ClassVar[str] = "rlvr_bench.thinking.fused:FusedProbeOfCell"
    needs_merged_weights: ClassVar[bool] = True
    watches_rollouts: ClassVar[bool] = True

    start: Literal["base", "untrained"] = "base"
    """What training begins with: a probe of the base, whose unchanged copy is read beside it, or a fresh one alone."""
    learning_rate: float = Field(1e-3, gt=0, le=1e3)
    """Of the steps on rollouts, in place of the scorer's own, which a probe of the base is trained with."""
    read_every: int = Field(5, ge=1)
    """Optimizer steps of the policy between two readings of rollouts, which the probes have not learned from."""
