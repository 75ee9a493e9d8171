"""Which entries changed, and which entries of the base they are.

A mask is a boolean tensor of the matrix's shape, on the CPU. Shares without anything to share are None.
"""

import numpy as np
import torch
from torch import Tensor


def largest_mask(magnitude: Tensor, count: int) -> Tensor:
    """Return the mask of the `count` largest entries; of equal ones the later."""
    return ~smallest_mask(magnitude, magnitude.numel() - count)


def smallest_mask(magnitude: Tensor, count: int) -> Tensor:
    """Return the mask of the `count` smallest entries; of equal ones the earlier."""
    flat = magnitude.flatten()
    if count == 0:
        return torch.zeros_like(magnitude, dtype=torch.bool)
    threshold = float(np.partition(flat.numpy(), count - 1)[count - 1])
    mask = flat < threshold
    ties = (flat == threshold).nonzero().flatten()
    mask[ties[: count - size(mask)]] = True
    return mask.view(magnitude.shape)


def size(mask: Tensor) -> int:
    """Return how many entries are in a mask."""
    return int(torch.count_nonzero(mask))


def unchanged_share(changed: Tensor) -> float:
    """Return the share of entries that are not in the mask."""
    return (changed.numel() - size(changed)) / changed.numel()


def overlap(changed: Tensor, mask: Tensor) -> float | None:
    """Return |changed and mask| / |changed|; of a random change it is the mask's density."""
    total = size(changed)
    return size(changed & mask) / total if total else None


def stripe_index(changed: Tensor) -> float | None:
    """Return how much the rows of a changed mask differ in density: 1 is what independent entries give.

    Var_i(rho_i) / (p (1 - p) / n) with rho_i the density of row i, n its length and p the density of the mask. For
    columns pass the transpose. "The Path Not Taken" (arXiv 2511.08567, 2.2) shows such bands without a number.
    """
    rows, length = changed.shape
    density = np.count_nonzero(changed.numpy(), axis=1) / length
    p = float(density.mean())
    if rows < 2 or not 0 < p < 1:
        return None
    return float(density.var(ddof=1)) / (p * (1 - p) / length)
