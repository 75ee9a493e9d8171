"""Whether what is on a model is the low-rank start that was asked for: recomputed with numpy, apart from `singular`.

Sums are checked for every matrix; what takes an SVD for `SVD_SAMPLE` of them, evenly spread. Nothing is read from
configs, so a start that only claims to be another is seen.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor, nn

from rlvr_bench.methods.base.calibration import watched
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.observation import SVD_SAMPLE, BaseObservation
from rlvr_bench.methods.low_rank.attach import StartedHandle, lora_layers
from rlvr_bench.methods.low_rank.linear import CoreLinear, LowRankLinear, ProjectedLinear
from rlvr_bench.methods.low_rank.variants import Geora, LoraNull, LoraXs, Milora, Oplora, OrthonormalLora
from rlvr_bench.methods.masks.selection import random_entries
from rlvr_bench.methods.peft.checks import RESIDUAL_TOLERANCE

Array = npt.NDArray[np.float64]
Wanted = Callable[[Array, str], Array]
"""From W0 (out, in) and the path of its module to the part that leaves the base."""

PART_TOLERANCE = 1e-3
"""Largest relative difference between two exact computations of a singular part: factors are stored in float32."""

LEAK_TOLERANCE = 1e-4
"""Largest share of an update's norm in a subspace that it must not touch, in float32."""

Item = TypeVar("Item")


def minor_problems(method: Milora, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where a start is not MiLoRA's."""
    return split_problems(handle, base, minor_part(method.rank))


def geometric_problems(method: Geora, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where a start is not GeoRA's."""
    wanted = geometric_part(method.rank, method.density, method.start, handle.seed)
    return split_problems(handle, base, wanted)


def split_problems(handle: Handle, base: BaseObservation, wanted: Wanted) -> list[str]:
    """Return where B A is not the `wanted` part of W0, shared evenly by B and A, or residual + delta is not W0."""
    layers = _lora_layers(handle, base)
    problems = [] if layers else ["no LoRA layer is on the model"]
    for path, layer in layers:
        problems += _sum_problems(path, layer, base)
    for path, layer in _sampled(layers):
        down, up = _factors(layer)
        part = wanted(_array(base.weights[f"{path}.weight"]), path)
        off = _share(up @ down - part, part)
        if not off <= PART_TOLERANCE:
            problems.append(
                f"{path}: the adapter at the start differs from the asked part of W0 by {off:.2g} of its norm"
            )
        elif not _norm(down @ down.T - up.T @ up) <= PART_TOLERANCE * _norm(part):
            problems.append(f"{path}: A and B do not carry the singular values of the start in equal shares")
    return problems


def minor_part(rank: int) -> Wanted:
    """MiLoRA's part: the `rank` smallest singular components."""

    def wanted(weight: Array, path: str) -> Array:
        return _part(weight, range(min(weight.shape) - rank, min(weight.shape)))

    return wanted


def geometric_part(rank: int, density: float, start: Literal["geometric", "random", "tail"], seed: int) -> Wanted:
    """GeoRA's part: singular components of W0 with all but its small and off-principal entries set to zero."""

    def wanted(weight: Array, path: str) -> Array:
        mask = _lowest(_part(weight, range(rank)), density) | _lowest(weight, density)
        side = min(weight.shape)
        indices: dict[str, Sequence[int]] = {
            "geometric": range(rank),
            "tail": range(side - rank, side),
            "random": random_entries(side, rank, path, seed).tolist(),
        }
        return _part(np.where(mask, weight, 0.0), indices[start])

    return wanted


def orthonormal_problems(method: OrthonormalLora, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where A is not an orthonormal basis of the top or bottom right singular vectors, or B is not zero."""
    rank, part = method.rank, method.part
    layers = lora_layers(handle.live)
    problems = [] if layers else ["no LoRA layer is on the model"]
    for path, layer in _sampled(layers):
        down, up = _factors(layer)
        skew = np.abs(down @ down.T - np.eye(len(down))).max()
        if not skew <= PART_TOLERANCE:
            problems.append(f"{path}: the rows of A are not orthonormal, A A' differs from the identity by {skew:.2g}")
        if up.any():
            problems.append(f"{path}: B is not zero at the start")
        vt = np.linalg.svd(_weight(handle, layer), full_matrices=False)[2]
        share = _share(down @ (vt[:rank] if part == "top" else vt[-rank:]).T, down) ** 2
        if not share >= 1 - PART_TOLERANCE:
            problems.append(f"{path}: {share:.1%} of A lies in the {part} {rank} right singular vectors of W0, not all")
    return problems


def null_space_problems(method: LoraNull, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where A and B are not W0 on the inputs that the calibration prompts excite least."""
    if not isinstance(handle, StartedHandle) or not handle.calibration:
        return ["the start was not computed on calibration prompts"]
    layers = _lora_layers(handle, base)
    problems = [] if layers else ["no LoRA layer is on the model"]
    for path, layer in layers:
        problems += _sum_problems(path, layer, base)
    sampled = _sampled(layers)
    grams = _input_grams(handle, [path for path, _ in sampled])
    for path, layer in sampled:
        down, up = _factors(layer)
        frame = np.linalg.qr(down.T)[0]
        part = _array(base.weights[f"{path}.weight"]) @ frame @ frame.T
        off = _share(up @ down - part, part)
        if not off <= PART_TOLERANCE:
            problems.append(f"{path}: B A differs from W0 on the rows of A by {off:.2g} of its norm")
        seen = np.trace(frame.T @ grams[path] @ frame) / np.trace(grams[path])
        least = np.linalg.eigvalsh(grams[path])[: method.rank].sum() / np.trace(grams[path])
        if not seen <= least + base.tolerance**2:
            problems.append(
                f"{path}: {seen:.2g} of the calibration inputs' energy lies in the rows of A, the least is {least:.2g}"
            )
    return problems


def projection_problems(method: Oplora, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where an update could reach the protected singular subspaces, tried out on copies of the layers."""
    protected = method.protected_count
    return _tried_problems(handle, ProjectedLinear, lambda u, s, vt, delta: _leak(u, vt, delta, protected))


def core_problems(method: LoraXs, handle: Handle, base: BaseObservation) -> list[str]:
    """Return where an update could leave the top singular subspaces, or is not scaled by S on the left."""
    rank = method.rank
    problems = _tried_problems(handle, CoreLinear, lambda u, s, vt, delta: _leak_outside(u, vt, delta, rank))
    for path, layer in _sampled(_own_layers(handle, CoreLinear)):
        left, right = _array(layer.left), _array(layer.right)
        top = _part(_weight(handle, layer), range(rank))
        off = _share(left @ right - top, top)
        if not off <= PART_TOLERANCE:
            problems.append(
                f"{path}: U S V' of the frozen sides differs from the top {rank} of W0 by {off:.2g} of its norm"
            )
    return problems


def _tried_problems(
    handle: Handle, kind: type[LowRankLinear], leak: Callable[[Array, Array, Array, Array], float]
) -> list[str]:
    """Give copies of sampled layers a random trained state and return where `leak` finds their update too large.

    The update is taken from the forward pass, on all unit inputs, and from the merged weight.
    """
    layers = _own_layers(handle, kind)
    problems = [] if layers else [f"no {kind.__name__} is on the model"]
    for path, layer in _sampled(layers):
        u, s, vt = np.linalg.svd(_weight(handle, layer), full_matrices=False)
        for way, delta in _random_updates(layer).items():
            share = leak(u, s, vt, delta)
            if not delta.any():
                problems.append(f"{path}: no update reaches the {way}")
            elif not share <= LEAK_TOLERANCE:
                problems.append(f"{path}: {share:.2g} of an update in the {way} lies where none may be")
    return problems


def _random_updates(layer: LowRankLinear) -> dict[str, Array]:
    """Return the update of a float32 copy of `layer` with random trained tensors, as it is used and as it is merged."""
    tried = copy.deepcopy(layer).float()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in tried.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        before = tried.base_layer.weight
        inputs = torch.eye(before.shape[1], device=before.device)
        used = (tried(inputs) - tried.base_layer(inputs)).T
        return {"forward pass": _array(used), "merged weight": _array(tried.merged().weight - before)}


def _leak(u: Array, vt: Array, delta: Array, protected: int) -> float:
    left, right = u[:, :protected].T @ delta, delta @ vt[:protected].T
    return max(_share(left, delta), _share(right, delta))


def _leak_outside(u: Array, vt: Array, delta: Array, rank: int) -> float:
    inside = u[:, :rank] @ (u[:, :rank].T @ delta @ vt[:rank].T) @ vt[:rank]
    return _share(delta - inside, delta)


def _sum_problems(path: str, layer: LoraLayer, base: BaseObservation) -> list[str]:
    down, up = _factors(layer)
    original = _array(base.weights[f"{path}.weight"])
    total = _array(layer.get_base_layer().weight) + layer.scaling["default"] * (up @ down)
    lost = _share(total - original, original)
    if not lost <= RESIDUAL_TOLERANCE[base.dtype]:
        return [f"{path}: residual plus adapter differs from the base by {lost:.2g} of its norm"]
    return []


def _input_grams(handle: StartedHandle, paths: Sequence[str]) -> dict[str, Array]:
    """Return path -> X'X (in, in) over the calibration prompts, read without padding: one batch for every length."""
    grams: dict[str, Array] = {}

    def read(path: str, inputs: Tensor) -> None:
        rows = _array(inputs).reshape(-1, inputs.shape[-1])
        grams[path] = grams.get(path, 0.0) + rows.T @ rows

    prompts = [list(prompt) for prompt in handle.calibration or ()]
    with watched(handle.live, paths, read) as body:
        for length in {len(prompt) for prompt in prompts}:
            same = torch.tensor([prompt for prompt in prompts if len(prompt) == length], device=handle.model.device)
            body(input_ids=same, use_cache=False)
    return grams


def _lora_layers(handle: Handle, base: BaseObservation) -> list[tuple[str, LoraLayer]]:
    """Return the LoRA layers over matrices of which `base` holds a copy; others are none of the method's targets."""
    return [(path, layer) for path, layer in lora_layers(handle.live) if f"{path}.weight" in base.weights]


def _own_layers(handle: Handle, kind: type[Item]) -> list[tuple[str, Item]]:
    return [(path, module) for path, module in handle.live.named_modules() if isinstance(module, kind)]


def _sampled(layers: list[Item]) -> list[Item]:
    return layers[:: -(-len(layers) // SVD_SAMPLE)] if layers else []


def _factors(layer: LoraLayer) -> tuple[Array, Array]:
    return _array(layer.lora_A["default"].weight), _array(layer.lora_B["default"].weight)


def _weight(handle: Handle, layer: nn.Module) -> Array:
    return _array(handle.unwrapped(layer).get_parameter("weight"))


def _part(weight: Array, indices: Sequence[int]) -> Array:
    u, s, vt = np.linalg.svd(weight, full_matrices=False)
    index = np.asarray(indices)
    part: Array = (u[:, index] * s[index]) @ vt[index]
    return part


def _lowest(entries: Array, density: float) -> npt.NDArray[np.bool_]:
    magnitude = np.abs(entries)
    count = max(1, round(density * magnitude.size))
    lowest: npt.NDArray[np.bool_] = magnitude <= np.sort(magnitude, axis=None)[count - 1]
    return lowest


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().double().cpu().numpy()
    return array


def _share(part: Array, whole: Array) -> float:
    """Return |part| / |whole|; also where `whole` is zero."""
    return _norm(part) / max(_norm(whole), float(np.finfo(np.float64).tiny))


def _norm(matrix: Array) -> float:
    return float(np.linalg.norm(matrix))
