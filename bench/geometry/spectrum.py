"""Figures of singular values: how the spectrum of W moved, and how many directions an update has.

Values are float64, descending. An undefined figure is None.
"""

import torch
from torch import Tensor

ENERGY = 0.99


def spectral_shift(before: Tensor, after: Tensor) -> float | None:
    """Return |s(W+) - s(W0)|_2 / |s(W0)|_2 over all singular values ("The Path Not Taken", arXiv 2511.08567, 4.1)."""
    norm = _norm(before)
    return _norm(after - before) / norm if norm else None


def isospectral_residual(before: Tensor, after: Tensor, update_norm: float) -> float | None:
    """Return |s(W+) - s(W0)|_2 / |dW|_F: the share of an update that no rotation of singular vectors can make.

    By Mirsky's theorem it is the distance of W+ to the matrices with the spectrum of W0, in units of the update, and
    lies in [0, 1].
    """
    return _norm(after - before) / update_norm if update_norm else None


def ky_fan_drift(before: Tensor, after: Tensor, k: int) -> float | None:
    """Return |sum of the k largest s(W+) - the same of W0| over the latter (arXiv 2511.08567, equation 10)."""
    total = float(before[:k].sum())
    return abs(float(after[:k].sum()) - total) / total if total else None


def stable_rank(values: Tensor) -> float | None:
    """Return |dW|_F^2 / |dW|_2^2 of an update's singular `values`; 1 is rank one."""
    return float(values.square().sum() / values[0].square()) if values[0] > 0 else None


def effective_rank(values: Tensor) -> float | None:
    """Return exp(H(p)) with p = s / sum(s) of an update's singular `values` (Roy and Vetterli 2007)."""
    if not values[0] > 0:
        return None
    shares = values / values.sum()
    return float(torch.special.entr(shares).sum().exp())


def energy_rank(values: Tensor, share: float = ENERGY) -> int | None:
    """Return the fewest singular directions that hold `share` of |dW|_F^2."""
    if not values[0] > 0:
        return None
    energy = values.square().cumsum(0)
    return int((energy < share * energy[-1]).sum()) + 1


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values))
