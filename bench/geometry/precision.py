"""Which changes of the weights survive in bfloat16, and how large the update is.

Sparsity as in "The Path Not Taken" (Zhu et al. 2025, arXiv 2511.08567, definition 2.2): both sides are cast to bf16
first, so that a float32 master copy and a stored bf16 checkpoint are measured alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


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
    equal = before.to(torch.bfloat16) == after.to(torch.bfloat16)
    return Change(
        name, before.numel(), int(equal.sum()), float(delta.square().sum()), float(before.double().square().sum())
    )


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
