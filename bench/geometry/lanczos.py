"""The largest eigenvalue of a symmetric matrix of which only products with vectors are at hand (Lanczos 1950).

Of k products the largest Ritz value is the largest eigenvalue of the matrix on the Krylov space of the start, and never
above the true one. All basis vectors are kept and every new one is made orthogonal to all of them twice: in float32
that is what keeps copies of an eigenvalue away (Parlett 1998, The Symmetric Eigenvalue Problem, 13.2).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-3
"""Residual, as a share of the eigenvalue, at which it counts as found."""
SEED = 0


class Eigenvalue(NamedTuple):
    """An estimate of the largest eigenvalue; some eigenvalue lies within `residual` of it.

    `products` is how many products it took.
    """

    value: float
    residual: float
    products: int


def largest_eigenvalue(product: Callable[[Tensor], Tensor], like: Tensor, most: int) -> Eigenvalue:
    """Return the largest (not the largest in size) eigenvalue of a symmetric matrix.

    Args:
        product: gives the matrix times a vector (size,).
        like: a vector of the size, dtype and device of those that are multiplied.
        most: products at most; fewer where the tolerance is reached before.
    """
    drawn = torch.randn(len(like), generator=torch.Generator().manual_seed(SEED)).to(like)
    basis = [drawn / drawn.norm()]
    diagonal, beside = list[float](), list[float]()
    while True:
        image = product(basis[-1])
        diagonal.append(float(image @ basis[-1]))
        for _ in range(2):
            for known in basis:
                image = image - (image @ known) * known
        left = float(image.norm())
        values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
        found = Eigenvalue(float(values[-1]), left * abs(float(vectors[-1, -1])), len(diagonal))
        scale = float(np.abs(values).max())
        # A remainder that is rounding alone says that the basis spans all that the start reaches.
        if (
            found.residual <= TOLERANCE * abs(found.value)
            or left <= 1e-6 * scale
            or len(diagonal) >= min(most, len(like))
        ):
            return found
        beside.append(left)
        basis.append(image / left)
