"""Which entries of a weight matrix a mask takes: flat, sorted index sets (see `mask` for the definitions).

Ties in magnitude are broken by position, lowest first, so that a set does not depend on the sorting algorithm. All
ranking is done in float64.
"""

import hashlib

import torch
from torch import Tensor

from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.masks.mask import Mask


def select_entries(method: Mask, weight: Tensor, name: str, seed: int, evidence: Tensor | None = None) -> Tensor:
    """Return the sorted flat indices (int64, CPU) of the entries of `weight` (out, in) that `method` takes.

    `name` and `seed` decide the random set, so that it does not depend on the order of matrices. `evidence` (out, in)
    is the matrix's diagonal Fisher information, or the weight of the finished run at `tuned`, where the method asks.
    """
    rank, total = method.rank_for(tuple(weight.shape)), weight.numel()
    count = method.count_for(tuple(weight.shape))

    # Sets that the base weight does not decide: a draw, what a finished run changed, the Fisher information.
    if method.select == "random":
        if not method.size_is_density:  # as many as the set that it is the control of
            other = method.model_copy(update={"select": "safe" if method.tuned is None else "rl-subnetwork"})
            count = len(select_entries(other, weight, name, seed, evidence))
        return random_entries(total, count, name, seed, method.part)
    if method.select == "rl-subnetwork":
        return visibly_changed(weight, _needed(evidence))
    if method.select == "fisher":
        return largest(_needed(evidence).double().cpu(), count)

    # Sets by magnitude, which need no decomposition.
    entries = weight.detach().double().cpu()
    if method.select == "low-magnitude":
        return smallest(entries.abs(), count)
    if method.select == "top-magnitude":
        return largest(entries.abs(), count)

    # Sets by the low-rank reconstruction; safe also by magnitude, its two sets of given sizes or grown to one density.
    reconstruction = low_rank_magnitude(entries, rank)
    if method.select == "principal":
        return largest(reconstruction, count)
    if method.select == "non-principal":
        return smallest(reconstruction, count)
    if method.principal_share is not None and method.low_share is not None:
        return _safe_of_shares(entries, reconstruction, method.principal_share, method.low_share)
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


def visibly_changed(weight: Tensor, tuned: Tensor) -> Tensor:
    """Return the sorted flat indices of the entries that differ between `weight` and `tuned` in bfloat16."""
    before, after = (tensor.detach().cpu().to(torch.bfloat16).reshape(-1) for tensor in (weight, tuned))
    return (before != after).nonzero().reshape(-1)


def smallest(magnitude: Tensor, count: int) -> Tensor:
    """Return the sorted flat indices of the `count` smallest entries, by selection instead of a full sort."""
    flat = magnitude.reshape(-1)
    if count == 0:
        return torch.empty(0, dtype=torch.int64)

    # All entries below the threshold are in; of those at it, the first ones, so that the count is exact.
    threshold = flat.kthvalue(count).values
    inside = flat < threshold
    ties = (flat == threshold).nonzero().reshape(-1)
    inside[ties[: count - int(inside.sum())]] = True
    return inside.nonzero().reshape(-1)


def largest(magnitude: Tensor, count: int) -> Tensor:
    """Return the sorted flat indices of the `count` largest entries: all but the smallest."""
    inside = torch.ones(magnitude.numel(), dtype=torch.bool)
    inside[smallest(magnitude, magnitude.numel() - count)] = False
    return inside.nonzero().reshape(-1)


def random_entries(total: int, count: int, name: str, seed: int, part: int = 0) -> Tensor:
    """Return `count` distinct sorted indices below `total`, uniform, a function of (`name`, `seed`) and of `part`.

    Parts of one name and seed are disjoint. Raises `MethodError` where so small a matrix has no such part.
    """
    if (part + 1) * count > total:
        raise MethodError(f"{name} has {total} entries, too few for part {part} of {count} each; lower part")
    key = int.from_bytes(hashlib.sha256(f"{seed} {name}".encode()).digest()[:7], "big")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(key))
    return order[part * count : (part + 1) * count].sort().values


def _needed(evidence: Tensor | None) -> Tensor:
    assert evidence is not None, "attach_mask brings evidence for every select that asks for it"
    return evidence


def _first_of_either(first: Tensor, second: Tensor, count: int) -> Tensor:
    """Return the `count` entries that come earliest in either ascending order: both sets grown together."""
    earliest = torch.minimum(_positions(first), _positions(second))
    return smallest(earliest, count)


def _positions(magnitude: Tensor) -> Tensor:
    order = torch.argsort(magnitude.reshape(-1), stable=True)
    positions = torch.empty_like(order)
    positions[order] = torch.arange(len(order))
    return positions


def _safe_of_shares(weight: Tensor, reconstruction: Tensor, principal_share: float, low_share: float) -> Tensor:
    total = weight.numel()
    inside = torch.zeros(total, dtype=torch.bool)
    inside[smallest(weight.abs(), round(low_share * total))] = True
    inside[smallest(reconstruction, total - round(principal_share * total))] = True
    return inside.nonzero().reshape(-1)
