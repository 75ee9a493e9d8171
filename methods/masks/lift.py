"""LIFT: a principal mask that is chosen anew from the current weights every few steps."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from rlvr_bench.methods.base.method import Method, Shape
from rlvr_bench.methods.masks.mask import Mask


class Lift(Method):
    """Fine-tuning of the principal entries of every targeted matrix, chosen anew every `refresh` steps.

    Entries that stay keep their optimizer state, entries that enter start at a state of 0 (the step count of a matrix
    goes on), and entries that leave keep the value that they were trained to.
    """

    family: ClassVar[str] = "sparse"
    source: ClassVar[str] = "LIFT, arXiv 2506.00772"
    formula: ClassVar[str] = "W = W + M_t * dW, M_t = Top_density(|W^(r)|) of the current W, every refresh steps"
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    dials: ClassVar[tuple[str, ...]] = ("density",)
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"refresh": 2},)
    implementation: ClassVar[str] = "rlvr_bench.methods.masks.lift_handle:attach_lift"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.masks.lift_handle:selection_problems",)
    end_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.masks.lift_handle:lift_problems",)

    type: Literal["lift"] = "lift"
    density: float = Field(
        default=0.05, gt=0, le=1, description="Share of the entries of each matrix that may move; 5 % in the paper."
    )
    mask_rank: int | None = Field(
        default=None,
        ge=1,
        description="Rank r of W^(r); left out it is 64, or a quarter of the smaller side where that is less.",
    )
    refresh: int = Field(
        default=100, ge=1, description="Optimizer steps between two choices; the authors' runs take 10 to 400."
    )

    @property
    def depends_on_seed(self) -> bool:
        return False

    @property
    def selection(self) -> Mask:
        """The mask that is chosen each time."""
        return Mask(select="principal", density=self.density, mask_rank=self.mask_rank, targets=self.targets)

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        return self.selection.expected_trainable(shapes)
