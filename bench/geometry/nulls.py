"""Null updates, and how far a real update is above them.

Rounding to bf16 alone makes small weights change more often than large ones, and any change turns nearby singular
values into each other. So every figure stands beside those of updates that know nothing of the model: an isotropic
Gaussian of equal Frobenius norm, and the update's own entries in random places. Both sides are rounded to bf16: a null
is compared with what bf16 shows of the real update.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from torch import Tensor

from rlvr_bench.geometry.settings import NullKind

# 97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom, and of the normal distribution.
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
_NORMAL = 1.95996


@dataclass(frozen=True, slots=True)
class Lift:
    """A figure's ratio to its mean over null draws, with a 95 % interval; None where it is undefined.

    The interval is that of one more null draw (Student's t), so that an update which is itself such a draw has 1 in its
    interval 19 times of 20. `high` is None where the nulls reach down to 0.
    """

    null: float | None
    ratio: float | None
    low: float | None
    high: float | None


UNDEFINED = Lift(None, None, None, None)


def null_update(kind: NullKind, update: Tensor, name: str, seed: int, draw: int) -> Tensor:
    """Return draw number `draw` of a null update: a function of its arguments, whatever was drawn before."""
    # Seeded by its own name: threads may ask in any order, and a matrix left out does not shift the next one's draws.
    key = hashlib.sha256(f"{seed} {kind} {draw} {name}".encode()).digest()
    return _DRAWN[kind](update, np.random.default_rng(int.from_bytes(key[:16], "big")))


def isotropic(update: Tensor, generator: np.random.Generator) -> Tensor:
    """Return a Gaussian update of the same shape and Frobenius norm."""
    noise = torch.from_numpy(generator.standard_normal(tuple(update.shape)))
    return noise.mul_(torch.linalg.vector_norm(update) / torch.linalg.vector_norm(noise))


def permuted(update: Tensor, generator: np.random.Generator) -> Tensor:
    """Return the update's entries in random places."""
    entries = update.flatten().clone()
    # In place, through memory that numpy and torch share.
    generator.shuffle(entries.numpy())
    return entries.view(update.shape)


def shown_in_bf16(weight: Tensor, update: Tensor) -> tuple[Tensor, Tensor]:
    """Return what bf16 shows of an update, bf16(W + dW) - bf16(W) in float64, and the mask of the entries that changed.

    Args:
        weight, update: (m, n) float64.
    """
    # Both sides are rounded: the base may have been float32, whose own digits bf16 would not show.
    before, after = weight.to(torch.bfloat16), (weight + update).to(torch.bfloat16)
    return torch.sub(after.double(), before), before != after


def lift(observed: float, draws: Sequence[Sequence[float]], weights: Sequence[float]) -> Lift:
    """Compare a weighted mean over matrices with the same mean of null updates.

    The variance of a null mean is that of its independent parts, each estimated from its own draws; the degrees of
    freedom follow (Satterthwaite 1946, Biometrics Bulletin 2:110), so that two draws of many matrices are enough.

    Args:
        observed: the mean of the real update.
        draws: of each matrix, the figure of its null updates; at least two, as many for each.
        weights: of the matrices, adding up to 1.
    """
    count = len(draws[0])
    mean = sum(weight * fmean(values) for weight, values in zip(weights, draws, strict=True))
    parts = [weight**2 * variance(values) for weight, values in zip(weights, draws, strict=True)]
    total = sum(parts)
    # Without spread (every null alike) the formula is 0 / 0; the draws' own degrees of freedom stand in.
    degrees = (count - 1) * total**2 / sum(part**2 for part in parts) if total else count - 1
    # 1 + 1 / count: the interval is for one more draw, not for the mean of all; degrees are rounded down, to be safe.
    half = student(int(degrees)) * math.sqrt(total * (1 + 1 / count))
    # A ratio to nothing says nothing; the null's mean is shown all the same.
    if mean <= 0:
        return Lift(mean, None, None, None)
    return Lift(mean, observed / mean, observed / (mean + half), observed / (mean - half) if mean > half else None)


def variance(values: Sequence[float]) -> float:
    """Return the variance of a sample (n - 1); a hundred times faster than the exact fractions of `statistics`."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)


def student(degrees: int) -> float:
    """Return the 97.5 % quantile of Student's t; beyond the table by its expansion in 1 / degrees."""
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    z = _NORMAL
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


_DRAWN: dict[NullKind, Callable[[Tensor, np.random.Generator], Tensor]] = {"isotropic": isotropic, "permuted": permuted}
