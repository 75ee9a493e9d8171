"""What training did to each tensor: how much moved, what bf16 shows of it, and how many directions the update has.

Rank is numerical: singular values above what rounding to the stored dtype makes of nothing. Rounding is close to white
noise of standard deviation s = ULP / sqrt(12), whose largest singular value in an (m, n) matrix is near
s (sqrt(m) + sqrt(n)) (Bai and Yin 1993, Ann. Probab. 21:1275).
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from rlvr_bench.geometry.precision import half_ulp

ROWS = 4096
"""Rows that are compared at a time, so that an embedding of a large model needs no copies of its whole."""

RANK_SIDE = 2048
"""Smaller side up to which all singular values are computed; of a larger matrix `LEADING` ones (arXiv 0909.4061)."""

LEADING = 256

EDGE = 1.5
"""Singular values count from this multiple of rounding's edge, and from 1e-5 of the largest one."""

STORED_BITS = {torch.float64: 52, torch.float32: 23, torch.float16: 10, torch.bfloat16: 7}
"""Mantissa bits by dtype; half an ULP is that of bf16 times 2^(7 - bits)."""


class Pairs(Protocol):
    """Tensors before and after, by name."""

    @property
    def names(self) -> list[str]:
        """The tensors that can be read."""
        ...

    def read(self, name: str) -> tuple[Tensor, Tensor]:
        """Return a tensor before and after."""
        ...


@dataclass(frozen=True, slots=True)
class TensorChange:
    """One tensor's change.

    `moved` counts entries that differ in float32, `shown` those that differ in bf16. `noise` is the rounding to the
    stored dtypes as a share of the update's norm. `rank` is numerical, None of what is no matrix, did not move or
    drowns in rounding; `rank_limit` is how many singular values were looked at.
    """

    name: str
    shape: tuple[int, ...]
    base_norm: float
    norm: float
    moved: int
    shown: int
    non_finite: int
    noise: float
    rank: int | None
    rank_limit: int

    @property
    def entries(self) -> int:
        """How many numbers the tensor has."""
        return math.prod(self.shape)

    @property
    def is_matrix(self) -> bool:
        """Whether it is a linear layer's matrix or an embedding."""
        return len(self.shape) == 2

    @property
    def kind(self) -> str:
        """The module's own name, such as q_proj."""
        return self.name.removesuffix(".weight").rpartition(".")[2]


def changes(pairs: Pairs, ranks: bool = True) -> Iterator[TensorChange]:
    """Yield the change of every tensor; without `ranks`, which take the longest, `rank` is None."""
    for name in pairs.names:
        before, after = pairs.read(name)
        yield change(name, before, after, ranks)


def change(name: str, before: Tensor, after: Tensor, ranks: bool = True) -> TensorChange:
    """Measure one tensor's change; `before` and `after` have one shape."""
    rows = [(one, other) for one, other in zip(_rows(before), _rows(after), strict=True)]
    moved = sum(int((one.float() != other.float()).count_nonzero()) for one, other in rows)
    shown = sum(int((one.bfloat16() != other.bfloat16()).count_nonzero()) for one, other in rows)
    non_finite = sum(int((~torch.isfinite(other)).count_nonzero()) for _, other in rows)
    norm = math.sqrt(sum(_square(other.double() - one.double()) for one, other in rows))
    base_norm = math.sqrt(sum(_square(one.double()) for one, _ in rows))
    rounding = math.sqrt(sum(rounding_energy(other) for _, other in rows))
    noise = rounding / norm if norm else 0.0
    rank, limit = None, 0
    if ranks and before.ndim == 2 and moved and not non_finite and noise < 1 / EDGE:
        rank, limit = numerical_rank(after.float() - before.float(), rounding)
    return TensorChange(name, tuple(before.shape), base_norm, norm, moved, shown, non_finite, noise, rank, limit)


def numerical_rank(update: Tensor, rounding: float) -> tuple[int, int]:
    """Return how many singular values of an update are above rounding, and how many were looked at.

    Args:
        update: (m, n) float32.
        rounding: Frobenius norm of the rounding in it.
    """
    rows, columns = update.shape
    if min(rows, columns) <= RANK_SIDE:
        values = torch.linalg.svdvals(update)
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            values = torch.svd_lowrank(update, q=LEADING, niter=2)[1]
    edge = rounding / math.sqrt(rows * columns) * (math.sqrt(rows) + math.sqrt(columns))
    return int((values > max(EDGE * edge, 1e-5 * float(values[0]))).sum()), len(values)


def rounding_energy(after: Tensor) -> float:
    """Return the expected |.|^2 of rounding what training made to the dtype of `after`.

    An entry's rounding is uniform within half an ULP, so its mean square is a third of (ULP/2)^2; entries that did not
    move count too, for they may hide an update as large. The base is what training started from, so its side is exact.
    """
    half = half_ulp(after) * 2.0 ** (7 - STORED_BITS[after.dtype])
    return float(half.square().sum()) / 3


def _rows(tensor: Tensor) -> Iterable[Tensor]:
    return tensor.split(ROWS) if tensor.ndim else (tensor,)


def _square(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor)) ** 2
