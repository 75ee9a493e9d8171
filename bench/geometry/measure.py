"""From tensor pairs to records: the figures of every tensor, and of its null updates.

Within a matrix the real update and its nulls are measured on several threads, each with single-threaded arithmetic: the
figures do not depend on the number of cores.
"""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rlvr_bench.geometry.base_matrix import BaseMatrix
from rlvr_bench.geometry.energy import energy_by_direction
from rlvr_bench.geometry.errors import GeometryError
from rlvr_bench.geometry.figures import Figures, figures
from rlvr_bench.geometry.masks import size, unchanged_share
from rlvr_bench.geometry.nulls import null_update, shown_in_bf16
from rlvr_bench.geometry.precision import changed_bf16, sparsity_absolute, sparsity_fp32, visibility_margin
from rlvr_bench.geometry.sample import Sample
from rlvr_bench.geometry.settings import NULL_KINDS, GeometrySettings, NullKind
from rlvr_bench.geometry.sizes import sizes
from rlvr_bench.geometry.tensor_names import kind_of, layer_of

PICTURE_SIDE = 256
"""Largest side of the stored image of a changed mask."""


@dataclass(frozen=True, slots=True)
class NullFigures:
    """Figures of what bf16 shows of the update, and of each null update by kind; for `weight` matrices of its kind."""

    shown: Figures
    draws: dict[NullKind, list[Figures]]
    weight: float = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """What the pictures need beside the figures.

    `energy` is the update's share along each singular direction of the base, (min(m, n),), None without an update;
    `changed` the density of the changed mask, shrunk to at most 256 x 256.
    """

    energy: Tensor | None
    changed: Tensor


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """One tensor's figures.

    Of a tensor that is no matrix (norms, biases, experts fused into one block), and of a matrix outside of the sample,
    only sizes and sparsities; the fields from `k` on are None. `weight` is how many matrices of its kind it stands for.
    """

    name: str
    shape: tuple[int, ...]
    entries: int
    base_norm: float
    figures: Figures
    k: int | None = None
    mask_rank: int | None = None
    null: NullFigures | None = None
    picture: Picture | None = None
    weight: float = 1

    @property
    def layer(self) -> int | None:
        """The number in the tensor's name, None outside the layers."""
        return layer_of(self.name)

    @property
    def kind(self) -> str:
        """The matrix's own name, such as q_proj or embed_tokens."""
        return kind_of(self.name)

    @property
    def is_matrix(self) -> bool:
        """Whether it has singular values."""
        return len(self.shape) == 2


def measure(
    pairs: Iterable[tuple[str, Tensor, Tensor]],
    settings: GeometrySettings,
    workers: int = 1,
    pictures: bool = False,
    sample: Sample | None = None,
) -> Iterator[TensorRecord]:
    """Yield a record per (name, before, after), reading the pairs one by one; of a `sample` only its matrices in full.

    Raises:
        GeometryError: an entry is NaN or infinite.
    """
    with single_threaded(), ThreadPoolExecutor(workers) as pool:
        matrices = 0
        for name, before, after in pairs:
            # Checked first: a NaN would make every figure NaN, and eigh fail with a message about convergence.
            _check_finite(name, before=before, after=after)
            if not before.numel():
                continue
            if before.ndim == 2 and sample is not None and name not in sample.weights:
                base_norm, figures_of_all = sizes(before.detach().cpu(), after.detach().cpu())
                yield TensorRecord(name, tuple(before.shape), before.numel(), base_norm, figures_of_all)
                continue
            if before.ndim != 2:
                yield _vector(name, before.detach().cpu(), after.detach().cpu())
                continue
            # Nulls cost as much as the matrix itself each; every n-th matrix is enough for a model's interval.
            with_nulls = matrices % settings.null_every == 0 if sample is None else name in sample.null_weights
            own_settings = settings if with_nulls else replace(settings, draws=0)
            matrices += 1
            # One matrix at a time: its float64 copies and decomposition are the largest things in memory.
            record = _matrix(name, before.detach().cpu(), after.detach().cpu(), own_settings, pool, pictures)
            yield record if sample is None else _weighed(record, sample)


def _check_finite(name: str, **sides: Tensor) -> None:
    for when, tensor in sides.items():
        if bool(torch.isfinite(tensor.sum())):  # no temporary tensor where all is well; finite entries may overflow
            continue
        non_finite = tensor.numel() - int(torch.isfinite(tensor).count_nonzero())
        if non_finite:
            raise GeometryError(
                f"{name} has {non_finite} NaN or infinite entries {when} training, for which no figure is defined:"
                " compare a checkpoint from before it diverged"
            )


@contextmanager
def single_threaded() -> Iterator[None]:
    """Keep torch's operations on one thread each."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _matrix(
    name: str, before: Tensor, after: Tensor, settings: GeometrySettings, pool: ThreadPoolExecutor, pictures: bool
) -> TensorRecord:
    base = BaseMatrix.of(before, settings)
    # In float64: in the checkpoint's own dtype the difference would be rounded a second time.
    update, changed = after.double() - base.weight, changed_bf16(before, after)
    # Submitted, not awaited: the nulls are measured on the other threads meanwhile.
    observed = pool.submit(figures, base, update, changed)
    exact = before.dtype == after.dtype == torch.bfloat16  # then bf16 shows all of the update
    shown = observed if exact else None
    null = _nulls(name, base, update, shown, settings, pool) if settings.draws else None
    return TensorRecord(
        name,
        tuple(before.shape),
        before.numel(),
        base.norm,
        observed.result() | _precision(before, after),
        base.k,
        base.mask_rank,
        null,
        Picture(energy_by_direction(update, base.singular.basis), _shrunk(changed)) if pictures else None,
    )


def _nulls(
    name: str,
    base: BaseMatrix,
    update: Tensor,
    measured: Future[Figures] | None,
    settings: GeometrySettings,
    pool: ThreadPoolExecutor,
) -> NullFigures:
    """Measure null updates; `measured` are the figures of what bf16 shows of the update, if they are there already."""

    def shown(updated: Tensor) -> Figures:
        return figures(base, *shown_in_bf16(base.weight, updated))

    def drawn(kind: NullKind, draw: int) -> Figures:
        return shown(null_update(kind, update, name, settings.seed, draw))

    # All futures before the first result, so that no thread waits for another.
    real = measured or pool.submit(shown, update)
    draws = {kind: [pool.submit(drawn, kind, draw) for draw in range(settings.draws)] for kind in NULL_KINDS}
    return NullFigures(real.result(), {kind: [draw.result() for draw in futures] for kind, futures in draws.items()})


def _weighed(record: TensorRecord, sample: Sample) -> TensorRecord:
    null = record.null and replace(record.null, weight=sample.null_weights[record.name])
    return replace(record, null=null, weight=sample.weights[record.name])


def _vector(name: str, before: Tensor, after: Tensor) -> TensorRecord:
    base_norm = float(torch.linalg.vector_norm(before.double()))
    norm = float(torch.linalg.vector_norm(after.double() - before.double()))
    sizes: Figures = {
        "sparsity_bf16": unchanged_share(changed_bf16(before, after)),
        "relative_norm": norm / base_norm if base_norm else None,
        "update_norm": norm,
    }
    return TensorRecord(name, tuple(before.shape), before.numel(), base_norm, sizes | _precision(before, after))


def _precision(before: Tensor, after: Tensor) -> Figures:
    """Gate III: the other sparsities, and by how much the update reaches bf16's threshold (which zeros have not)."""
    margin = visibility_margin(before, after) if bool(before.any()) else None
    return {
        "sparsity_fp32": sparsity_fp32(before, after),
        "sparsity_1e_5": sparsity_absolute(before, after),
        "visibility_margin_median": None if margin is None else float(margin.median()),
        "visible_share": None if margin is None else size(margin >= 1) / len(margin),
    }


def _shrunk(changed: Tensor) -> Tensor:
    # Pooled, not sampled: a stripe of a single row still darkens its pixel.
    rows, columns = (min(side, PICTURE_SIDE) for side in changed.shape)
    return torch.nn.functional.adaptive_avg_pool2d(changed.float()[None, None], (rows, columns))[0, 0]
