"""Sparse masks: a fixed set of entries of every targeted matrix moves, everything else stays bit for bit.

The sets are those of "The Path Not Taken" (arXiv 2511.08567, section 4.2 and 5.1), chosen once from the base weights.
With W^(r) the rank-r SVD reconstruction of W0:

    principal       the entries with the largest |W^(r)|
    non-principal   the entries with the smallest |W^(r)|        (complement of a principal mask)
    low-magnitude   the entries with the smallest |W0|
    safe            low-magnitude union non-principal
    random          a uniform random set

**Density.** `density` is the share of each matrix that may move, the same reading for every select, so that masks are
compared at equal size; non-principal at d is the complement of principal at 1 - d, and safe grows both of its sets
together until their union holds d. The paper instead fixes the two sets and lets the union come out (74 %): give
`principal_share` and `low_share` in place of density for that; random then takes, matrix by matrix, as many entries as
that union holds. What came out is recorded.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from methods.method import Calibration, Method, Shape, target_weights

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from methods.handle import Handle
    from methods.measurement import BaseObservation

Select = Literal["random", "principal", "non-principal", "low-magnitude", "safe"]


class Mask(Method):
    """Fine-tuning of a fixed subset of the entries of every targeted matrix."""

    family: ClassVar[str] = "sparse"
    source: ClassVar[str] = "The Path Not Taken, arXiv 2511.08567, sections 4.2 and 5.1"
    formula: ClassVar[str] = "W = W0 + M * dW, M fixed and binary"
    learning_rates: ClassVar[tuple[float, float]] = (1e-7, 1e-3)
    dials: ClassVar[tuple[str, ...]] = ("density",)

    type: Literal["mask"] = "mask"
    select: Select = Field(description="Which entries may move.")
    density: float = Field(default=0.5, gt=0, le=1, description="Share of the entries of each matrix that may move.")
    mask_rank: int | None = Field(
        default=None,
        ge=1,
        description="Rank r of W^(r); left out it is 64, or a quarter of the smaller side where that is less.",
    )
    principal_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Safe and random only, instead of density: size of the principal set that safe leaves out.",
    )
    low_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Safe and random only, with principal_share: size of the low-magnitude set.",
    )

    @model_validator(mode="after")
    def _one_way_to_size(self) -> "Mask":
        shares = (self.principal_share, self.low_share)
        if shares == (None, None):
            return self
        if None in shares:
            raise ValueError("principal_share and low_share belong together; give both, or density alone")
        if "density" in self.model_fields_set:
            raise ValueError(
                "density is given together with principal_share and low_share; give density or the two shares"
            )
        if self.select not in ("safe", "random"):
            raise ValueError(
                f"principal_share and low_share are for select = 'safe' or 'random', not {self.select!r}; give density"
            )
        return self

    @property
    def depends_on_seed(self) -> bool:
        return self.select == "random"

    def rank_for(self, shape: Shape) -> int:
        """Return the rank of the reconstruction for a matrix of `shape`."""
        return min(self.mask_rank or max(1, min(64, min(shape) // 4)), min(shape))

    def count_for(self, shape: Shape) -> int:
        """Return how many entries of a matrix of `shape` the density stands for, at least 1."""
        return max(1, round(self.density * shape[0] * shape[1]))

    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        from methods.mask_handle import attach_mask

        return attach_mask(self, model, seed)

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        fixed = self.principal_share is None
        targets = target_weights(shapes, self.targets).items()
        return {f"{path}.values": (self.count_for(shape),) if fixed else None for path, shape in targets}

    def problems_at_start(self, handle: "Handle", base: "BaseObservation") -> list[str]:
        from methods.mask_handle import mask_problems

        return mask_problems(self, handle)
