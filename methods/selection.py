"""Which entries of a weight matrix a mask takes: flat, sorted index sets (see `mask` for the definitions).

Ties in magnitude are broken by position, lowest first, so that a set does not depend on the sorting algorithm. All
ranking is done in float64.
"""

import hashlib

import torch
from torch import Tensor

from methods.mask import Mask


def select_entries(method: Mask, weight: Tensor, name: str, seed: int) -> Tensor:
    """Return the sorted flat indices (int64, CPU) of the entries of `weight` (out, in) that `method` takes.

    `name` and `seed` decide the random set, so that it does not depend on the order of matrices.
    """
    entries = weight.detach().double().cpu()
    count = method.count_for(tuple(weight.shape))
    if method.principal_share is not None and method.low_share is not None:
        union = _safe_of_shares(entries, method.rank_for(tuple(weight.shape)), method.principal_share, method.low_share)
        return union if method.select == "safe" else random_entries(entries.numel(), len(union), name, seed)
    if method.select == "random":
        return random_entries(entries.numel(), count, name, seed)
    if method.select == "low-magnitude":
        return smallest(entries.abs(), count)
    reconstruction = low_rank_magnitude(entries, method.rank_for(tuple(weight.shape)))
    if method.select == "principal":
        return _complement(smallest(reconstruction, entries.numel() - count), entries.numel())
    if method.select == "non-principal":
        return smallest(reconstruction, count)
    return _first_of_either(entries.abs(), reconstruction, count)


def low_rank_magnitude(weight: Tensor, rank: int) -> Tensor:
    """Return |W^(r)|, W^(r) the best rank-`rank` approximation of `weight` (float64).

    Through the eigenvectors of the smaller Gram matrix, which costs a fraction of an SVD; squaring the condition number
    is harmless in float64 for the leading vectors.
    """
    if weight.shape[0] > weight.shape[1]:
        return low_rank_magnitude(weight.T, rank).T
    leading: Tensor = torch.linalg.eigh(weight @ weight.T).eigenvectors[:, -rank:]
    return (leading @ (leading.T @ weight)).abs()


def smallest(magnitude: Tensor, count: int) -> Tensor:
    """Return the sorted flat indices of the `count` smallest entries, by selection instead of a full sort."""
    flat = magnitude.reshape(-1)
    if count == 0:
        return torch.empty(0, dtype=torch.int64)
    threshold = flat.kthvalue(count).values
    taken = flat < threshold
    ties = (flat == threshold).nonzero().reshape(-1)
    taken[ties[: count - int(taken.sum())]] = True
    return taken.nonzero().reshape(-1)


def random_entries(total: int, count: int, name: str, seed: int) -> Tensor:
    """Return `count` distinct sorted indices below `total`, uniform, a function of (`name`, `seed`)."""
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7], "big")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(key))
    return order[:count].sort().values


def _complement(indices: Tensor, total: int) -> Tensor:
    keep = torch.ones(total, dtype=torch.bool)
    keep[indices] = False
    return keep.nonzero().reshape(-1)


def _first_of_either(first: Tensor, second: Tensor, count: int) -> Tensor:
    """Return the `count` entries that come earliest in either ascending order: both sets grown together."""
    earliest = torch.minimum(_ranks(first), _ranks(second))
    return smallest(earliest, count)


def _ranks(magnitude: Tensor) -> Tensor:
    order = torch.argsort(magnitude.reshape(-1), stable=True)
    ranks = torch.empty_like(order)
    ranks[order] = torch.arange(len(order))
    return ranks


def _safe_of_shares(weight: Tensor, rank: int, principal_share: float, low_share: float) -> Tensor:
    total = weight.numel()
    taken = torch.zeros(total, dtype=torch.bool)
    taken[smallest(weight.abs(), round(low_share * total))] = True
    taken[smallest(low_rank_magnitude(weight, rank), total - round(principal_share * total))] = True
    return taken.nonzero().reshape(-1)
