"""Which changes of the weights survive in bfloat16, and how large the update is.

Sparsity as in "The Path Not Taken" (Zhu et al. 2025, arXiv 2511.08567, definition 2.2): both sides are cast to bf16
first, so that a float32 master copy and a stored bf16 checkpoint are measured alike. +0 and -0 are equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from bench.geometry.masks import size

ABSOLUTE_TOLERANCE = 1e-5
"""What Mukherjee et al. 2025 (arXiv 2505.11711) count as no change, whatever the size of the weight."""

MANTISSA_BITS = 7
SMALLEST_EXPONENT = -133
"""The spacing of bf16's subnormal numbers is 2^-133."""


@dataclass(frozen=True, slots=True)
class Change:
    """The update of one weight tensor of `count` entries."""

    name: str
    count: int
    unchanged_bf16: int
    update_square: float
    base_square: float


def change(name: str, before: Tensor, after: Tensor) -> Change:
    """Compare one tensor before and after training; the squares are sums over its entries in float64."""
    delta = after.double() - before.double()
    unchanged = before.numel() - size(changed_bf16(before, after))
    return Change(name, before.numel(), unchanged, float(delta.square().sum()), float(before.double().square().sum()))


def summary(changes: Iterable[Change]) -> dict[str, float | None]:
    """Summarise a model's update.

    Returns:
        `sparsity_bf16`: share of all entries, weighted by parameters, that are equal in bf16;
        `relative_norm`: |W+ - W0|_F / |W0|_F over all tensors; None where it is undefined.
    """
    listed = list(changes)
    count = sum(item.count for item in listed)
    base = sum(item.base_square for item in listed)
    return {
        "sparsity_bf16": sum(item.unchanged_bf16 for item in listed) / count if count else None,
        "relative_norm": (sum(item.update_square for item in listed) / base) ** 0.5 if base else None,
    }


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
    stored = weight.to(torch.bfloat16).double()
    spacing = (torch.frexp(stored).exponent - 1 - MANTISSA_BITS).clamp(min=SMALLEST_EXPONENT)
    spacing = torch.where(stored == 0, SMALLEST_EXPONENT, spacing)
    return torch.ldexp(torch.full_like(stored, 0.5), spacing)


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
        kept = (stored.float() + update.float()).to(torch.bfloat16) == stored
        moved += size(update != 0)
        lost += size(kept & (update != 0))
    return lost / moved if moved else None
