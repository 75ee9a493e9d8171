"""Singular components of weight matrices, exact and in float64."""

import torch
from torch import Tensor

Components = tuple[Tensor, Tensor, Tensor]
"""U (out, count), S (count,), V' (count, in)."""

CONDITION = 1e-3
"""Smallest share of the largest singular value at which the Gram matrix, which squares that share, is still used."""


def leading(weight: Tensor, count: int) -> Tensor:
    """Return the indices of the `count` largest singular values of `weight`."""
    return torch.arange(count, device=weight.device)


def trailing(weight: Tensor, count: int) -> Tensor:
    """Return the indices of the `count` smallest of the min(out, in) singular values of `weight`."""
    return torch.arange(min(weight.shape) - count, min(weight.shape), device=weight.device)


def components(weight: Tensor, indices: Tensor) -> Components:
    """Return the singular components `indices` (counted in descending order of value) of `weight` (out, in; float64).

    The eigenvectors of the smaller Gram matrix cost a third of an SVD and are as good in float64 unless a picked value
    is below `CONDITION` of the largest; then it is an SVD.
    """
    if weight.shape[0] < weight.shape[1]:
        u, s, vt = components(weight.T, indices)
        return vt.T, s, u.T
    values, vectors = torch.linalg.eigh(weight.T @ weight)
    squared, v = values.flip(0)[indices], vectors.flip(1)[:, indices]
    if squared.min() > CONDITION**2 * values[-1]:
        return weight @ v / squared.sqrt(), squared.sqrt(), v.T
    u, s, vt = torch.linalg.svd(weight, full_matrices=False)
    return u[:, indices], s[indices], vt[indices]
