"""What is known of one base matrix before any update is looked at: computed once, used for the update and its nulls."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rlvr_bench.geometry.masks import largest_mask, size, smallest_mask
from rlvr_bench.geometry.settings import GeometrySettings
from rlvr_bench.geometry.singular import Singular, is_wide, subspaces
from rlvr_bench.geometry.svd_cache import cached_decomposition

MASKS = ("principal", "low_magnitude", "principal_not_low")


class EntryMask(NamedTuple):
    """A set of entries, and its share of all."""

    mask: Tensor
    density: float


@dataclass(frozen=True, slots=True)
class BaseMatrix:
    """A base matrix (m, n), float64, with its singular basis and coordinate masks.

    `left` (m, k) and `right` (n, k) span the principal subspaces; None where singular values k and k + 1 coincide and
    the subspaces are undefined. `masks` holds, by name, the largest entries of the rank-`mask_rank` reconstruction,
    the smallest entries of the matrix, and the former without the latter; nothing for a matrix of zeros.
    """

    weight: Tensor
    norm: float
    singular: Singular
    k: int
    mask_rank: int
    left: Tensor | None
    right: Tensor | None
    masks: dict[str, EntryMask]

    @classmethod
    def of(cls, stored: Tensor, settings: GeometrySettings) -> "BaseMatrix":
        """Decompose a matrix as a checkpoint stores it."""
        weight = stored.double()
        singular = cached_decomposition(stored)
        shape = tuple(weight.shape)
        k, rank = settings.k_for(shape), settings.mask_rank_for(shape)
        left, right = subspaces(weight, singular, k) if singular.separated(k) else (None, None)
        norm = float(torch.linalg.vector_norm(weight))
        masks = _masks(weight, singular, rank, settings.mask_count(weight.numel())) if norm else {}
        return cls(weight, norm, singular, k, rank, left, right, masks)

    def left_overlaps(self, vectors: Tensor) -> Tensor:
        """Return inner products (r, c) of all left singular vectors with `vectors` (m, c).

        Left vectors of vanishing singular values of a tall matrix are arbitrary and left out.
        """
        if is_wide(self.weight):
            return self.singular.basis.T @ vectors
        values = self.singular.values
        nonzero = values > torch.finfo(torch.float64).eps * max(self.weight.shape) * values[0]
        along = self.singular.basis.T @ (self.weight.T @ vectors)
        return along[nonzero] / values[nonzero, None]


def _masks(weight: Tensor, singular: Singular, rank: int, count: int) -> dict[str, EntryMask]:
    principal = largest_mask(reconstruction(weight, singular, rank).abs(), count)
    low = smallest_mask(weight.abs(), count)
    named = zip(MASKS, (principal, low, principal & ~low), strict=True)
    return {name: EntryMask(mask, size(mask) / mask.numel()) for name, mask in named}


def reconstruction(weight: Tensor, singular: Singular, rank: int) -> Tensor:
    """Return the best rank-`rank` approximation of `weight`."""
    near = singular.basis[:, :rank]
    return near @ (near.T @ weight) if is_wide(weight) else (weight @ near) @ near.T
