"""Which changes of the weights survive in bfloat16, and how large the update is.

Sparsity as in "The Path Not Taken" (Zhu et al. 2025, arXiv 2511.08567, definition 2.2): both sides are cast to bf16
first, so that a float32 master copy and a stored bf16 checkpoint are measured alike. +0 and -0 are equal.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from rlvr_bench.geometry.masks import size

ABSOLUTE_TOLERANCE = 1e-5
"""What Mukherjee et al. 2025 (arXiv 2505.11711) count as no change, whatever the size of the weight."""

MANTISSA_BITS = 7
EXPONENT_BIAS = 127

# By the eight exponent bits: subnormal numbers (0) have the spacing of the smallest normal ones (1).
_HALF_ULP = torch.tensor(
    [2.0 ** (max(bits, 1) - EXPONENT_BIAS - MANTISSA_BITS - 1) for bits in range(256)], dtype=torch.float64
)


def changed_bf16(before: Tensor, after: Tensor) -> Tensor:
    """Return the mask of the entries that differ once both sides are cast to bf16."""
    return before.to(torch.bfloat16) != after.to(torch.bfloat16)


def sparsity_fp32(before: Tensor, after: Tensor) -> float:
    """Return the share of entries that are equal in float32."""
    return size(before.float() == after.float()) / before.numel()


def sparsity_absolute(before: Tensor, after: Tensor) -> float:
    """Return the share of entries whose bf16 values differ by at most 1e-5, as in arXiv 2505.11711."""
    difference = after.to(torch.bfloat16).float() - before.to(torch.bfloat16).float()
    return size(difference.abs() <= ABSOLUTE_TOLERANCE) / before.numel()


def half_ulp(weight: Tensor) -> Tensor:
    """Return half the spacing of bf16 numbers at each entry's bf16 value, float64: what a change must exceed to show.

    Directly below a power of two the spacing is half of that, so a change towards zero from one shows a little earlier.
    """
    exponents = weight.to(torch.bfloat16).view(torch.int16).bitwise_right_shift(MANTISSA_BITS).bitwise_and(0xFF)
    return _HALF_ULP[exponents.int()]


def visibility_margin(before: Tensor, after: Tensor) -> Tensor | None:
    """Return |dW| / (ULP_bf16(W0) / 2) of the entries that moved at all, flat; None if none did.

    At 1 and above a change shows in bf16 (arXiv 2511.08567, corollary 3.6), below it depends on where in its interval
    the weight lay.
    """
    update = (after.double() - before.double()).abs()
    moved = update > 0
    return update[moved] / half_ulp(before)[moved] if bool(moved.any()) else None


def swallowed(before: Iterable[Tensor], updates: Iterable[Tensor]) -> float | None:
    """Return the share of one step's non-zero updates that would be lost if the weights were kept in bf16.

    Lost means bf16(w + u) = w with w the weight as bf16 stores it (PULSE, arXiv 2602.03839, finds about 99 %).

    Args:
        before: the trained tensors before the step.
        updates: what the optimizer added to each, in the same order.
    """
    moved = lost = 0
    for weight, update in zip(before, updates, strict=True):
        stored = weight.to(torch.bfloat16)
        unmoved = (stored.float() + update.float()).to(torch.bfloat16) == stored
        acts = update != 0
        moved += size(acts)
        lost += size(unmoved & acts)
    return lost / moved if moved else None
