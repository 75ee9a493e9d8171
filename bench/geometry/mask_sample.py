"""The measurement `mask_sample`: did a few entries of each matrix, the same in every run on one base, change in bf16?

Whole masks of changed entries are too large for a run record. A sample of fixed places is enough to say how alike the
masks of two runs are: with 1024 places in each of 20 matrices a Jaccard index is off by about 0.003. Beside each mask
stands that of a null update, the run's own entries in random places, drawn anew for each run: rounding to bf16 alone
makes masks agree, and this is by how much.
"""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rlvr_bench.geometry.measurements import MaskSample
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.pair import Pair

PLACES = 1024
"""Sampled entries of a matrix; a smaller matrix is taken whole."""

MaskSamples = dict[str, dict[str, Any]]
"""Matrix -> {"places": how many, "update": mask, "permuted": mask}, packed by `pack`."""


class MaskSampleOfCell(Measurement[MaskSample]):
    """The sampled masks of a cell; the cell's id names the run, so that no two runs share a null update."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, MaskSamples]:
        """See `Measurement`."""
        return cell_masks(context.pairs(trained.handle), context.cell.id, context.interventions)


def cell_masks(
    pairs: Iterable[Pair], key: str, interventions: Sequence[Intervention[Any]] = ()
) -> dict[str, MaskSamples]:
    """Return as `changed` the sampled masks of all matrices; of a base with new coordinates as `restored` its own.

    Args:
        pairs: of every parameter, tied ones once.
        key: names the run, for its null update.
        interventions: what was done to the cell on purpose; the last one is taken back first.
    """
    changed: MaskSamples = {}
    in_base: MaskSamples = {}
    turned = [intervention for intervention in reversed(interventions) if intervention.new_coordinates]
    for pair in pairs:
        changed |= sample_masks([pair], key)
        if turned:
            for intervention in turned:
                pair = intervention.restore(pair)
            in_base |= sample_masks([pair], key)
    return {"changed": changed} | ({"restored": in_base} if turned else {})


def sample_masks(pairs: Iterable[Pair], key: str) -> MaskSamples:
    """Sample the changed masks of all matrices; `key` names the run, for its null update."""
    return {name: _masks(name, before, after, key) for name, before, after in pairs if before.ndim == 2}


def places(name: str, entries: int) -> Tensor:
    """Return the sampled places of a flattened matrix: a function of its name and size."""
    return _drawn(f"places {name} {entries}", entries)


def pack(mask: Tensor) -> str:
    """Return a flat boolean mask as base64, eight entries to a byte."""
    return base64.b64encode(np.packbits(mask.numpy()).tobytes()).decode("ascii")


def _masks(name: str, before: Tensor, after: Tensor, key: str) -> dict[str, Any]:
    flat = before.detach().cpu().flatten().double()
    update = after.detach().cpu().flatten().double() - flat
    sample = places(name, len(flat))
    elsewhere = _drawn(f"null {key} {name}", len(flat))
    drawn = {"update": update[sample], "permuted": update[elsewhere]}
    stored = flat[sample]
    packed = {kind: pack(stored.bfloat16() != (stored + moved).bfloat16()) for kind, moved in drawn.items()}
    return {"places": len(sample), **packed}


def _drawn(key: str, entries: int) -> Tensor:
    """Return at most `PLACES` different places of so many, the same on every machine and for ever.

    RandomState, whose stream numpy has frozen; a Generator's may change with numpy's version.
    """
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    random = np.random.RandomState(seed)
    if entries <= PLACES:
        return torch.from_numpy(random.permutation(entries))
    return torch.from_numpy(np.fromiter(_different(random, entries), dtype=np.int64, count=PLACES))


def _different(random: np.random.RandomState, entries: int) -> Iterator[int]:
    indices: set[int] = set()
    while len(indices) < PLACES:
        place = int(random.randint(entries, dtype=np.int64))
        if place not in indices:
            indices.add(place)
            yield place
