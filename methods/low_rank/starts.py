"""A0 and B0 of the LoRA starts that are computed from the base's own matrices (see `variants`); all in float64."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from rlvr_bench.methods.base.singular import components, leading, trailing
from rlvr_bench.methods.masks.selection import random_entries

if TYPE_CHECKING:
    from rlvr_bench.methods.low_rank.variants import Geora, LoraNull, Milora, OrthonormalLora

Factors = tuple[Tensor, Tensor]
"""A (rank, in) and B (out, rank)."""


@dataclass(frozen=True)
class Matrix:
    """One matrix to adapt, and what a start may depend on beside it.

    `weight` is W0 (out, in) in float64; `null_frame` (rank, in) has orthonormal rows, the directions in which the
    calibration inputs of the module are smallest, for methods that need calibration.
    """

    weight: Tensor
    path: str
    seed: int
    null_frame: Tensor | None = None


def halves(u: Tensor, s: Tensor, vt: Tensor) -> Factors:
    """Return A = S^1/2 V' and B = U S^1/2, so that B A = U S V'."""
    root = s.sqrt()
    return root[:, None] * vt, u * root


def minor(method: "Milora", matrix: Matrix) -> Factors:
    """MiLoRA: the smallest singular components, as many as the rank."""
    return halves(*components(matrix.weight, trailing(matrix.weight, method.rank)))


def orthonormal(method: "OrthonormalLora", matrix: Matrix) -> Factors:
    """RLPO and RLMO: A the right singular vectors of the largest or smallest values, B zero."""
    pick = leading if method.part == "top" else trailing
    _, _, vt = components(matrix.weight, pick(matrix.weight, method.rank))
    return vt, matrix.weight.new_zeros(matrix.weight.shape[0], method.rank)


def geometric(method: "Geora", matrix: Matrix) -> Factors:
    """GeoRA: singular components of the matrix with all but its small and off-principal entries set to zero."""
    masked = geometric_view(matrix.weight, method.rank, method.density)
    if method.start == "random":
        indices = random_entries(min(masked.shape), method.rank, matrix.path, matrix.seed).to(masked.device)
    else:
        indices = (leading if method.start == "geometric" else trailing)(masked, method.rank)
    return halves(*components(masked, indices))


def geometric_view(weight: Tensor, rank: int, density: float) -> Tensor:
    """Return W0 where |W0| or |its rank-`rank` reconstruction| is small, and zero elsewhere (equations 6 to 8)."""
    u, s, vt = components(weight, leading(weight, rank))
    mask = _lowest(((u * s) @ vt).abs(), density) | _lowest(weight.abs(), density)
    return torch.where(mask, weight, 0.0)


def _lowest(magnitude: Tensor, density: float) -> Tensor:
    """Return where `magnitude` is at most its `density` quantile; ties with the quantile are in."""
    count = max(1, round(density * magnitude.numel()))
    return magnitude <= magnitude.reshape(-1).kthvalue(count).values


def null_space(method: "LoraNull", matrix: Matrix) -> Factors:
    """LoRA-Null: the singular components of W0 N'N, N the null frame."""
    assert matrix.null_frame is not None
    u, s, vt = torch.linalg.svd(matrix.weight @ matrix.null_frame.T, full_matrices=False)
    return halves(u, s, vt @ matrix.null_frame)
