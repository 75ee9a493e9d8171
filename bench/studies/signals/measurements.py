"""What the cells of this study measure; what measures is imported by the cells that ask for it."""

from typing import ClassVar

from pydantic import Field

from rlvr_bench.experiment.measurements import MeasurementSettings


class Divergence(MeasurementSettings):
    """KL between tuned model and base on every scored task, in both directions."""

    implementation: ClassVar[str] = "rlvr_bench.studies.signals.divergence:DivergenceOfCell"

    problems: int = Field(64, ge=1)
    """Test problems of every task."""
