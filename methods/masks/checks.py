"""Checks that a mask is the one that was asked for, by its definition in numpy, apart from `selection` and `fisher`.

One matrix is checked where a check costs as much as the selection itself; up to 1 % of its entries may differ, since
near ties fall either way in another algorithm.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.observation import BaseObservation
from rlvr_bench.methods.masks.fisher import Completion
from rlvr_bench.methods.masks.handle import MaskHandle
from rlvr_bench.methods.masks.linear import MaskedLinear, masked_layers
from rlvr_bench.methods.masks.mask import Mask
from rlvr_bench.methods.masks.selection import random_entries
from rlvr_bench.methods.masks.tuned_weights import TunedWeights

Matrix = np.ndarray[Any, Any]
Entries = np.ndarray[Any, np.dtype[np.bool_]]

NEEDS_SVD = ("principal", "non-principal", "safe")


def mask_problems(method: Mask, handle: Handle, _: BaseObservation) -> list[str]:
    """Return what shows that a mask of `handle` is not the one that `method` asks for."""
    layers = masked_layers(handle.model)
    if not layers:
        return ["no masked layer is on the model"]
    if method.select == "fisher":
        return _fisher_problems(handle, *layers[-1])
    wanted = _by_run if method.tuned is not None else _by_weight
    checked = layers[:1] if method.select in NEEDS_SVD or method.principal_share is not None else layers
    return [
        problem
        for path, layer in checked
        for problem in _differences(method.select, path, layer, wanted(method, path, layer, handle.seed))
    ]


def _differences(select: str, path: str, layer: MaskedLinear, wanted: Entries) -> list[str]:
    got = np.zeros(layer.weight.numel(), dtype=bool)
    got[layer.index.cpu().numpy()] = True
    alien, lacking = int((got & ~wanted).sum()), int((wanted & ~got).sum())
    problems = []
    if alien > 0.01 * got.sum():
        problems.append(f"{alien} of {got.sum()} entries of the mask of {path} are not in the {select} set")
    if lacking > 0.01 * wanted.sum():
        problems.append(f"{lacking} of {wanted.sum()} entries of the {select} set of {path} are not in its mask")
    return problems


def _by_weight(method: Mask, path: str, layer: MaskedLinear, seed: int) -> Entries:
    """Return the set that the definition of `method.select` gives for the base weight under the mask."""
    weight = layer.weight.detach().double().cpu().numpy()
    count = method.count_for(weight.shape) if method.size_is_density else len(layer.index)
    match method.select:
        case "random":
            return _listed(random_entries(weight.size, count, path, seed, method.part), weight.size)
        case "low-magnitude":
            return _smallest(np.abs(weight), count)
        case "top-magnitude":
            return ~_smallest(np.abs(weight), weight.size - count)
        case "principal":
            return ~_smallest(_reconstruction(method, weight), weight.size - count)
        case "non-principal":
            return _smallest(_reconstruction(method, weight), count)
        case _:
            return _safe(method, weight, count)


def _by_run(method: Mask, path: str, layer: MaskedLinear, seed: int) -> Entries:
    """Return the entries that differ in bfloat16 from the run at `tuned`, or as many random ones."""
    assert method.tuned is not None
    tuned = TunedWeights(method.tuned).weight(f"{path}.weight", layer.weight)
    changed: Entries = (_bfloat16_bits(layer.weight) != _bfloat16_bits(tuned)).ravel()
    if method.select == "rl-subnetwork":
        return changed
    return _listed(random_entries(changed.size, int(changed.sum()), path, seed), changed.size)


def _bfloat16_bits(tensor: Tensor) -> Matrix:
    """Return the upper halves of the float32 bits of `tensor`, rounded to even; of both zeros, the positive one's."""
    bits = tensor.detach().float().cpu().numpy().view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(rounded == 0x8000, 0, rounded)


def _safe(method: Mask, weight: Matrix, count: int) -> Entries:
    """Return low-magnitude union non-principal, both grown together to `count` or of the two shares' sizes."""
    low, off = np.abs(weight), _reconstruction(method, weight)
    if method.low_share is not None and method.principal_share is not None:
        low_count = round(method.low_share * weight.size)
        return _smallest(low, low_count) | _smallest(off, weight.size - round(method.principal_share * weight.size))
    fewest, most = 0, count
    while fewest < most:  # the smallest common size whose union reaches the count
        middle = (fewest + most) // 2
        reached = (_smallest(low, middle) | _smallest(off, middle)).sum() >= count
        fewest, most = (fewest, middle) if reached else (middle + 1, most)
    return _smallest(low, fewest) | _smallest(off, fewest)


def _reconstruction(method: Mask, weight: Matrix) -> Matrix:
    u, s, vt = np.linalg.svd(weight, full_matrices=False)
    rank = method.rank_for(weight.shape)
    magnitude: Matrix = np.abs((u[:, :rank] * s[:rank]) @ vt[:rank])
    return magnitude


def _smallest(magnitude: Matrix, count: int) -> Entries:
    flat = magnitude.ravel()
    inside = np.zeros(flat.size, dtype=bool)
    if count:
        inside[np.argpartition(flat, count - 1)[:count]] = True
    return inside


def _listed(index: Tensor, total: int) -> Entries:
    inside = np.zeros(total, dtype=bool)
    inside[index.numpy()] = True
    return inside


def _fisher_problems(handle: Handle, path: str, layer: MaskedLinear) -> list[str]:
    """Compare the last mask with the Fisher information of the recorded completions, from one gradient after another.

    Nothing before the last targeted layer needs a backward pass.
    """
    if not isinstance(handle, MaskHandle) or not handle.completions:
        return ["no completion was sampled, so that no Fisher information was measured"]
    total = np.zeros(tuple(layer.weight.shape))
    layer.weight.requires_grad_(True)
    for completion in handle.completions:
        total += _gradient(handle.view.model, layer.weight, completion) ** 2
    layer.weight.requires_grad_(False)
    return _differences("fisher", path, layer, ~_smallest(total, total.size - len(layer.index)))


def _gradient(model: nn.Module, weight: Tensor, completion: Completion) -> Matrix:
    with torch.enable_grad():
        log_prob = completion.log_prob(model(input_ids=completion.token_ids[None], use_cache=False).logits[0])
    (gradient,) = torch.autograd.grad(log_prob, [weight])
    return gradient.double().cpu().numpy()
