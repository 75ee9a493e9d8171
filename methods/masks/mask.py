"""Sparse masks: a fixed set of entries of every targeted matrix moves, everything else stays bit for bit.

The sets are chosen once, before training. With W^(r) the rank-r SVD reconstruction of W0:

    principal       the entries with the largest |W^(r)|         "The Path Not Taken", arXiv 2511.08567, section 4.2
    non-principal   the entries with the smallest |W^(r)|        (complement of a principal mask)
    low-magnitude   the entries with the smallest |W0|
    safe            low-magnitude union non-principal            the same, section 5.1
    top-magnitude   the entries with the largest |W0|            the control that the paper lacks
    random          a uniform random set                         "Multiple Ticket Hypothesis", arXiv 2602.01599
    fisher          the entries with the largest diagonal Fisher "Lens of Fisher", arXiv 2609.36262; see `fisher`
    rl-subnetwork   the entries that a finished full run changed Mukherjee et al., arXiv 2505.11711, conjecture 1

**Density.** `density` is the share of each matrix that may move, the same reading for every select, so that masks are
compared at equal size; non-principal at d is the complement of principal at 1 - d, and safe grows both of its sets
together until their union holds d. The paper instead fixes the two sets and lets the union come out (74 %): give
`principal_share` and `low_share` in place of density for that. An RL subnetwork is as large as the run at `tuned` left
it: entries whose value in bfloat16 differs from the base's, which is what a stored checkpoint shows. Random takes,
matrix by matrix, as many entries as that union, or that subnetwork, holds. What came out is recorded.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from rlvr_bench.methods.base.method import Dial, Method, Shape, target_weights

Select = Literal[
    "random", "principal", "non-principal", "low-magnitude", "top-magnitude", "safe", "fisher", "rl-subnetwork"
]

ONLY_FOR: dict[str, tuple[Select, ...]] = {
    "principal_share": ("safe", "random"),
    "low_share": ("safe", "random"),
    "tuned": ("rl-subnetwork", "random"),
    "fisher_tokens": ("fisher",),
    "part": ("random",),
}
"""The selects that each of these keys is for."""

SIZES = ("density", "principal_share", "tuned")
"""The keys of which one, and only one, sets the size of a mask (`low_share` goes with `principal_share`)."""


class Mask(Method):
    """Fine-tuning of a fixed subset of the entries of every targeted matrix."""

    family: ClassVar[str] = "sparse"
    source: ClassVar[str] = (
        "The Path Not Taken, arXiv 2511.08567; fisher: arXiv 2609.36262; rl-subnetwork: arXiv 2505.11711"
    )
    formula: ClassVar[str] = "W = W0 + M * dW, M fixed and binary"
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    dials: ClassVar[tuple[str, ...]] = ("density",)
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        *(
            {"select": select}
            for select in ("random", "principal", "non-principal", "low-magnitude", "top-magnitude", "safe", "fisher")
        ),
        {"select": "safe", "principal_share": 0.5, "low_share": 0.5859},
    )
    implementation: ClassVar[str] = "rlvr_bench.methods.masks.handle:attach_mask"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.masks.checks:mask_problems",)
    added_later: ClassVar[tuple[str, ...]] = ("part",)

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
    tuned: str | None = Field(
        default=None,
        min_length=1,
        description="rl-subnetwork and random only, instead of density: a safetensors file, or a folder of them, with "
        "the final weights of the full run (keep_weights) whose changed entries make, or size, the mask.",
    )
    fisher_tokens: int = Field(
        default=32, ge=1, description="Fisher only: how many tokens the model samples after each calibration prompt."
    )
    part: int = Field(
        default=0,
        ge=0,
        description="Random only: which part of a seed's random order is taken; masks of different parts are disjoint.",
    )

    @model_validator(mode="after")
    def _keys_fit_the_select(self) -> "Mask":
        keys = self.model_fields_set - {key for key in self.model_fields_set if getattr(self, key) is None}
        for key, selects in ONLY_FOR.items():
            if key in keys and self.select not in selects:
                fitting = " or ".join(f"{select!r}" for select in selects)
                raise ValueError(f"{key} is for select = {fitting}, not {self.select!r}; leave it out")
        if ("principal_share" in keys) != ("low_share" in keys):
            raise ValueError("principal_share and low_share belong together; give both, or density alone")
        sizes = [key for key in SIZES if key in keys]
        if len(sizes) > 1:
            raise ValueError(f"{sizes[0]} is given together with {sizes[1]}, but one sets the size of a mask; give one")
        if (self.part + 1) * self.density > 1 and self.part:
            parts = int(1 / self.density)
            raise ValueError(f"part = {self.part}, but {parts} disjoint masks have density {self.density:g}; lower one")
        if self.part and not self.size_is_density:
            raise ValueError("part is of masks whose size density sets; leave it or the other size out")
        if self.select == "rl-subnetwork" and self.tuned is None:
            raise ValueError("select = 'rl-subnetwork' needs the key tuned: the final weights of a finished full run")
        return self

    @property
    def dial(self) -> Dial | None:
        return super().dial if self.size_is_density else None

    @property
    def files(self) -> tuple[str, ...]:
        return () if self.tuned is None else (self.tuned,)

    @property
    def size_is_density(self) -> bool:
        """Whether density sets the size, and not two shares or a finished run."""
        return self.principal_share is None and self.tuned is None

    @property
    def depends_on_seed(self) -> bool:
        return self.select in ("random", "fisher")

    @property
    def needs_calibration(self) -> bool:
        return self.select == "fisher"

    def rank_for(self, shape: Shape) -> int:
        """Return the rank of the reconstruction for a matrix of `shape`."""
        return min(self.mask_rank or max(1, min(64, min(shape) // 4)), min(shape))

    def count_for(self, shape: Shape) -> int:
        """Return how many entries of a matrix of `shape` the density stands for, at least 1."""
        return max(1, round(self.density * shape[0] * shape[1]))

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        targets = target_weights(shapes, self.targets).items()
        return {f"{path}.values": (self.count_for(shape),) if self.size_is_density else None for path, shape in targets}
