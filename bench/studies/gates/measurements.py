"""What the cells of this study measure; what measures is imported by the cells that ask for it."""

from typing import ClassVar

from rlvr_bench.experiment.measurements import MeasurementSettings


class RankOne(MeasurementSettings):
    """Greedy test score of the tuned model with each matrix's update cut to rank one."""

    implementation: ClassVar[str] = "rlvr_bench.studies.gates.rank_one:RankOneOfCell"
    needs_merged_weights: ClassVar[bool] = True
