"""What a cell can measure of its update's geometry; what measures is imported by the cells that ask for it."""

from typing import ClassVar

from rlvr_bench.experiment.measurements import MeasurementSettings


class Geometry(MeasurementSettings):
    """Figures of the update and of null updates: of the model, of each matrix type and of each matrix."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.cell:CellGeometry"
    needs_merged_weights: ClassVar[bool] = True


class MaskSample(MeasurementSettings):
    """Which of a few fixed entries of each matrix changed in bf16: what the masks of two runs are compared by."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.mask_sample:MaskSampleOfCell"
    needs_merged_weights: ClassVar[bool] = True


class Trajectory(MeasurementSettings):
    """How the run moved over its steps: the growth of the KL to the base, and how straight the weights' way was."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.trajectory:TrajectoryOfCell"
