"""Across runs: do two updates of one base move the same entries, in the same direction, in the same subspaces?

Two seeds of one method set the ceiling for what two methods can share. Everything is per matrix; updates are W+ - W0
in float64. The rounding to bf16 alone makes masks agree, since small weights change more easily: compare with the
agreement of two null updates (`nulls.null_update`) as well as with independence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from rlvr_bench.geometry.angles import principal_angles
from rlvr_bench.geometry.masks import size
from rlvr_bench.geometry.nulls import shown_in_bf16
from rlvr_bench.geometry.packed_masks import expected_jaccard
from rlvr_bench.geometry.singular import decompose, subspaces


class Run(NamedTuple):
    """What names an update: the method (or reward, or task) that made it, and the seed."""

    method: str
    seed: int


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two updates of one matrix share; None where it is undefined (an update of zero, no changed entry).

    `jaccard` is |A and B| / |A or B| of the masks of changed entries, `expected` its value for independent masks of the
    same densities, `excess` their difference; `of_first`, `of_second` the shares of each mask in the other. `cosine` is
    <dW1, dW2> / (|dW1| |dW2|); the angles, in degrees, are between the top-k singular subspaces of the updates.
    """

    jaccard: float | None
    expected: float | None
    excess: float | None
    of_first: float | None
    of_second: float | None
    cosine: float | None
    angle_max_deg: float | None
    angle_mean_deg: float | None


@dataclass(frozen=True, slots=True)
class Consensus:
    """Over R runs, the share of entries that changed in exactly 0, 1, ..., R of them, and the same if independent."""

    observed: list[float]
    independent: list[float]


class Shared(NamedTuple):
    """A figure between two methods, within them from seed to seed, and their ratio; 1 is as alike as two seeds."""

    between: float
    within: float
    ratio: float | None


def jaccard(first: Tensor, second: Tensor) -> float | None:
    """Return |A and B| / |A or B| of two masks."""
    union = size(first | second)
    return size(first & second) / union if union else None


def agreement(base: Tensor, first: Tensor, second: Tensor, k: int) -> Agreement:
    """Compare two updates.

    Args:
        base: the weights W0 that both started from, (m, n) float64.
        first, second: (m, n) float64.
        k: dimensions of the updates' own singular subspaces; of an adapter, at most its rank.
    """
    # Changed as a bfloat16 checkpoint shows it: in float32 nearly every entry of a trained matrix differs.
    masks = [shown_in_bf16(base, update)[1] for update in (first, second)]
    counts = [size(mask) for mask in masks]
    both = size(masks[0] & masks[1])
    observed = jaccard(*masks)
    expected = expected_jaccard(*(count / base.numel() for count in counts))
    angles = update_angles(first, second, k)
    return Agreement(
        jaccard=observed,
        expected=expected,
        excess=observed - expected if observed is not None and expected is not None else None,
        of_first=both / counts[0] if counts[0] else None,
        of_second=both / counts[1] if counts[1] else None,
        cosine=cosine(first, second),
        angle_max_deg=float(angles.max()) if angles is not None else None,
        angle_mean_deg=float(angles.mean()) if angles is not None else None,
    )


def cosine(first: Tensor, second: Tensor) -> float | None:
    """Return the cosine between two updates as vectors."""
    norms = float(torch.linalg.vector_norm(first)) * float(torch.linalg.vector_norm(second))
    return float(torch.sum(first * second)) / norms if norms else None


def update_angles(first: Tensor, second: Tensor, k: int) -> Tensor | None:
    """Return the principal angles, degrees, between the top-k left and the top-k right subspaces of two updates, (2k,).

    None unless both updates have k leading directions that are apart from the rest.
    """
    # Where the k-th and the next singular value are equal the top-k subspace is not unique, and no angle is defined.
    bases = []
    for update in (first, second):
        singular = decompose(update)
        if not singular.separated(k):
            return None
        bases.append(subspaces(update, singular, k))
    return torch.cat([principal_angles(one, other) for one, other in zip(*bases, strict=True)])


def consensus(masks: Sequence[Tensor]) -> Consensus:
    """Count in how many runs each entry changed, beside what independent masks of the same densities give."""
    entries = masks[0].numel()
    times = torch.stack([mask.flatten() for mask in masks]).sum(dim=0)
    observed = torch.bincount(times, minlength=len(masks) + 1).double() / entries
    independent = torch.ones(1, dtype=torch.float64)
    for mask in masks:  # Poisson binomial: one more run each time
        density = size(mask) / entries
        none, zero = independent, torch.zeros(1, dtype=torch.float64)
        independent = torch.cat([none * (1 - density), zero]) + torch.cat([zero, none * density])
    return Consensus(observed.tolist(), independent.tolist())


def pairwise(base: Tensor, updates: Mapping[Run, Tensor], k: int) -> dict[tuple[Run, Run], Agreement]:
    """Compare every two runs' updates of one matrix."""
    return {(a, b): agreement(base, updates[a], updates[b], k) for a, b in combinations(updates, 2)}


def against_seeds(figures: Mapping[tuple[Run, Run], float]) -> dict[tuple[str, str], Shared]:
    """Set a figure between each two methods beside its mean from seed to seed within them.

    Args:
        figures: of pairs of runs, such as the cosine; pairs of one method are its ceiling. Methods without a second
            seed have none and are left out.
    """
    grouped: dict[tuple[str, str], list[float]] = {}
    for (a, b), value in figures.items():
        first, second = sorted((a.method, b.method))
        grouped.setdefault((first, second), []).append(value)
    shared = {}
    for (first, second), values in grouped.items():
        # The ceiling: what two seeds of one method share, over both methods.
        own = [value for method in (first, second) for value in grouped.get((method, method), [])]
        if first != second and all((method, method) in grouped for method in (first, second)):
            between, within = fmean(values), fmean(own)
            shared[first, second] = Shared(between, within, between / within if within else None)
    return shared
