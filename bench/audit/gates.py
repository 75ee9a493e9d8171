"""Gate II: a sample of the matrices beside null updates, as `rlvr-bench geometry` measures all of them.

A figure's ratio to its nulls is that of the same sample, cropped in the same way, so a crop of a large matrix is
compared with crops of null updates.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from rlvr_bench.audit.changes import Pairs, TensorChange
from rlvr_bench.geometry.measure import cores, measure
from rlvr_bench.geometry.settings import GeometrySettings
from rlvr_bench.geometry.summary import null_summary

MATRICES = 8
"""Matrices in the sample, evenly over the model."""

SIDE = 1024
"""Rows and columns that are taken of a larger matrix, evenly over it."""

SETTINGS = GeometrySettings(draws=2)


def against_nulls(pairs: Pairs, measured: Sequence[TensorChange]) -> dict[str, Any]:
    """Return `geometry.summary.null_summary` of a sample of the given changes, all of them matrices that moved."""
    records = list(measure(_sample(pairs, measured), SETTINGS, cores()))
    return null_summary(records) | {"matrices": len(records)}


def _sample(pairs: Pairs, measured: Sequence[TensorChange]) -> Iterator[tuple[str, Tensor, Tensor]]:
    for place in _evenly(len(measured), MATRICES):
        before, after = pairs.read(measured[place].name)
        rows, columns = (torch.tensor(_evenly(side, SIDE)) for side in before.shape)
        yield measured[place].name, before[rows][:, columns].float(), after[rows][:, columns].float()


def _evenly(count: int, wanted: int) -> list[int]:
    """Return at most so many of `count` places, evenly."""
    return [place * count // wanted for place in range(wanted)] if count > wanted else list(range(count))
