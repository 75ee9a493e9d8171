"""Where in the base's singular basis an update lies. An undefined share is None."""

from typing import NamedTuple

import torch
from torch import Tensor

from rlvr_bench.geometry.singular import is_wide


class Energy(NamedTuple):
    """Shares of |dW|_F^2. Of an isotropic update of an (m, n) matrix: k/m, k/n, k^2/(mn), (1 - k/m)(1 - k/n)."""

    left: float | None
    right: float | None
    joint: float | None
    tail: float | None


UNDEFINED = Energy(None, None, None, None)


def energy(update: Tensor, left: Tensor, right: Tensor) -> Energy:
    """Return the shares of an update in the principal subspaces of the base.

    left |U_k' dW|^2, right |dW V_k|^2, joint |U_k' dW V_k|^2 and tail |(1 - U_k U_k') dW (1 - V_k V_k')|^2, each over
    |dW|^2 (Frobenius).

    Args:
        update: (m, n) float64.
        left: (m, k) orthonormal columns.
        right: (n, k) orthonormal columns.
    """
    total = _square(update)
    if not total:
        return UNDEFINED
    from_left = left.T @ update
    on_left, on_right = _square(from_left), _square(update @ right)
    joint = _square(from_left @ right)
    # Inclusion and exclusion in place of two projections; rounding may leave it just below 0.
    tail = max(total - on_left - on_right + joint, 0.0)
    return Energy(on_left / total, on_right / total, joint / total, tail / total)


def energy_by_direction(update: Tensor, basis: Tensor) -> Tensor | None:
    """Return the share of |dW|_F^2 along each singular direction of the base's smaller side, shape (min(m, n),).

    |u_i' dW|^2 or |dW v_i|^2; over a whole side the shares add up to 1.

    Args:
        update: (m, n) float64.
        basis: all singular vectors of the base's smaller side, columns in descending order of singular values.
    """
    total = _square(update)
    if not total:
        return None
    along = basis.T @ (update if is_wide(update) else update.T)
    return along.square().sum(dim=1) / total


def _square(matrix: Tensor) -> float:
    return float(torch.linalg.vector_norm(matrix).square())
