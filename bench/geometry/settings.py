"""What the figures depend on beside the two checkpoints. Imports no torch."""

from dataclasses import dataclass
from typing import Any, Literal

from rlvr_bench.geometry.errors import GeometryError

K = 512
"""Dimensions of the principal subspaces, as in the on-policy-distillation replication (arXiv 2606.07082, app. C.3)."""

MASK_RANK = 64
"""Rank of the reconstruction behind the principal mask; same source."""

NullKind = Literal["isotropic", "permuted"]
NULL_KINDS: tuple[NullKind, ...] = ("isotropic", "permuted")

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GeometrySettings:
    """Settings of a report.

    `k` and `mask_rank` left out are 512 and 64, but at most a quarter of a matrix's smaller side; given, they are taken
    as given, up to the side itself. What was used stands in each row. `draws` counts the null updates of each kind,
    which every `null_every`-th matrix gets.
    """

    k: int | None = None
    mask_rank: int | None = None
    mask_density: float = 0.5
    draws: int = 2
    null_every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no figure is defined for."""
        for name in ("k", "mask_rank"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise GeometryError(f"{name} = {value}; it counts singular directions, so it must be at least 1")
        if not 0 < self.mask_density < 1:
            raise GeometryError(f"mask_density = {self.mask_density}; it is a share of the entries, between 0 and 1")
        if self.draws < 0 or self.draws == 1:
            raise GeometryError(
                f"draws = {self.draws}; an interval needs at least 2 null updates, 0 leaves the nulls out"
            )

    def k_for(self, shape: Shape) -> int:
        """Return the dimension of the principal subspaces of a matrix of `shape`."""
        return _dimension(self.k, K, shape)

    def mask_rank_for(self, shape: Shape) -> int:
        """Return the rank of the reconstruction behind the principal mask of a matrix of `shape`."""
        return _dimension(self.mask_rank, MASK_RANK, shape)

    def mask_count(self, entries: int) -> int:
        """Return how many of so many entries a mask takes."""
        return max(1, round(self.mask_density * entries))

    def as_json(self) -> dict[str, Any]:
        """Return the settings; of `k` and `mask_rank` the upper limit where they follow each matrix's shape."""
        return {
            "k": self.k or K,
            "mask_rank": self.mask_rank or MASK_RANK,
            "mask_density": self.mask_density,
            "at_most_a_quarter_of_the_side": [name for name in ("k", "mask_rank") if getattr(self, name) is None],
            "null_draws": self.draws,
            "null_every": self.null_every,
            "null_seed": self.seed,
        }


def _dimension(setting: int | None, default: int, shape: Shape) -> int:
    side = min(shape)
    return min(setting, side) if setting is not None else max(1, min(default, side // 4))
