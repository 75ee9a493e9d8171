"""What a cell can measure of its update's geometry; what measures is imported by the cells that ask for it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from rlvr_bench.experiment.measurements import MeasurementSettings
from rlvr_bench.geometry.cost import matrices_of
from rlvr_bench.geometry.settings import GeometrySettings, Shape

NULL_MATRICES = 40
"""About so many matrices get null updates, which is enough for a model's mean; of a small model all."""


class Geometry(MeasurementSettings):
    """Figures of the update and of null updates: of the model, of each matrix type and of each matrix.

    `geometry = "full"` is short for `geometry = { extent = "full" }`.
    """

    implementation: ClassVar[str] = "rlvr_bench.geometry.cell:CellGeometry"
    needs_merged_weights: ClassVar[bool] = True
    outside_identity: ClassVar[frozenset[str]] = frozenset({"extent"})

    extent: Literal["full", "sample"] = Field(
        "sample",
        description="all matrices, or where these take more than about a tenth of a cell a sample by kind and depth",
    )

    @model_validator(mode="before")
    @classmethod
    def _is_its_extent(cls, given: Any) -> Any:
        """Read a text as the extent."""
        return {"extent": given} if isinstance(given, str) else given


def settings_of_a_cell(shapes: Mapping[str, Shape]) -> GeometrySettings:
    """Return the settings of a cell on a model; two draws of each null are enough for an interval."""
    return GeometrySettings(draws=2, null_every=max(1, round(len(matrices_of(shapes)) / NULL_MATRICES)))


class MaskSample(MeasurementSettings):
    """Which of a few fixed entries of each matrix changed in bf16: what the masks of two runs are compared by."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.mask_sample:MaskSampleOfCell"
    needs_merged_weights: ClassVar[bool] = True


class UpdateSketch(MeasurementSettings):
    """A few numbers of the update by which its angle to that of another run is known."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.update_sketch:UpdateSketchOfCell"
    needs_merged_weights: ClassVar[bool] = True


class Curvature(MeasurementSettings):
    """Whether the changed weights lie where the policy's curvature is low: diagonal Fisher information on them."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.curvature:CurvatureOfCell"
    needs_merged_weights: ClassVar[bool] = True
    prompts: int = Field(64, ge=1, le=2**31 - 1)
    """Training problems that the untrained policy is sampled on, one completion each."""


class Sharpness(MeasurementSettings):
    """How sharp the loss is where training starts: the Hessian's largest eigenvalue over the method's own values."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.sharpness:SharpnessOfCell"
    problems: int = Field(32, ge=1)
    """Training problems, with a gold solution and a completion of the base each."""
    products: int = Field(60, ge=2)
    """Hessian-vector products at most."""


class Trajectory(MeasurementSettings):
    """How the run moved over its steps: the growth of the KL to the base, and how straight the weights' way was."""

    implementation: ClassVar[str] = "rlvr_bench.geometry.trajectory:TrajectoryOfCell"
