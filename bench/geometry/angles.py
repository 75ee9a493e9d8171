"""Angles between subspaces, and how far a perturbation can turn one."""

import torch
from torch import Tensor


def principal_angles(first: Tensor, second: Tensor) -> Tensor:
    """Return the principal angles between two subspaces in degrees, descending, shape (k,).

    Small angles are taken from sines and large ones from cosines (Björck and Golub 1973, Math. Comp. 27:579), since
    arccos near 1 loses half of the digits.

    Args:
        first, second: (n, k) float64, orthonormal columns.
    """
    inner = first.T @ second
    angles: Tensor = torch.linalg.svdvals(second - first @ inner).clamp(max=1).arcsin()
    # Sines lose their digits near 90 degrees as cosines do near 0: each is used on its own half.
    if angles[0] > torch.pi / 4:
        large = torch.linalg.svdvals(inner).flip(0).clamp(max=1).arccos()
        angles = torch.where(large > torch.pi / 4, large, angles)
    return angles.rad2deg()


def intruders(overlaps: Tensor, threshold: float = 0.5) -> int:
    """Count new singular directions: those of W+ that are near no singular direction of W0.

    Shuttleworth et al. 2024 (arXiv 2410.21228).

    Args:
        overlaps: (r, c) inner products of every left singular vector of W0 with c leading ones of W+.
        threshold: a direction whose largest |inner product| is below it is an intruder.
    """
    return int((overlaps.abs().amax(dim=0) < threshold).sum())
