"""The orthonormal matrix nearest to a given one."""

import torch
from torch import Tensor

CLOSE = 0.5
"""Largest |Q'Q - 1| (Frobenius) from which the iteration starts; its series converges below 1."""

EXACT = 1e-11
"""Largest entry of |Q'Q - 1| at which it ends; far below what float32 can hold."""

ROUNDED = 2.0**-22
"""Largest entry of |Q'Q - 1| that rounding an orthonormal Q to float32 explains: twice 2^-24, and as much to spare."""


def polar_factor(matrix: Tensor, tolerance: float = EXACT) -> Tensor:
    """Return the orthonormal factor Q (rows, columns; float64) of matrix = Q H, H symmetric positive definite.

    `matrix` has at least as many rows as columns. Of all matrices with orthonormal columns, Q is the nearest. After one
    optimizer step a frame is still almost orthonormal; then Q <- Q (1 + E)^(-1/2), E = Q'Q - 1, by the first five terms
    of its binomial series multiplies the correct digits by five in every round, of which one or two do, and costs a
    fraction of an SVD; from farther away it is an SVD. A matrix that is orthonormal up to `tolerance` (entries of |E|)
    is returned as it is.
    """
    q = matrix.detach().double()
    identity = torch.eye(q.shape[1], dtype=q.dtype, device=q.device)
    error = q.T @ q - identity
    if error.abs().max() <= tolerance:
        return q
    if torch.linalg.norm(error) > CLOSE:
        left, _, right = torch.linalg.svd(q, full_matrices=False)
        nearest: Tensor = left @ right
        return nearest
    while error.abs().max() > EXACT:
        square = error @ error
        q = q @ (identity - error / 2 + square @ (3 / 8 * identity - 5 / 16 * error + 35 / 128 * square))
        error = q.T @ q - identity
    return q
