"""What a cell can measure of thinking with its trained model; what measures is imported by cells that ask for it."""

from typing import ClassVar

from rlvr_bench.experiment.measurements import MeasurementSettings
from rlvr_bench.thinking.settings import ThinkSettings


class Thinking(MeasurementSettings, ThinkSettings):
    """Votes over the trained model's traces, weighed and stopped by a probe that is trained on that very model."""

    implementation: ClassVar[str] = "rlvr_bench.thinking.cell_column:ThinkingOfCell"
    needs_merged_weights: ClassVar[bool] = True
