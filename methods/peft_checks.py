"""Whether the adapters on a model are those that were asked for, read from the model alone."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor

from methods.handle import Handle
from methods.measurement import BaseObservation
from methods.method import ends_with

if TYPE_CHECKING:
    from methods.peft_method import PeftMethod

SVD_SAMPLE = 8
RESIDUAL_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 1e-2, torch.float16: 2e-3}
"""Largest ||residual + delta - W0|| / ||W0|| that storing the residual in the base's dtype explains."""


def adapter_problems(method: "PeftMethod", handle: Handle, base: BaseObservation) -> list[str]:
    """Return where PEFT type, config or adapted modules differ from what `method` asks for."""
    if not isinstance(handle.model, PeftModel):
        return [
            f"{method.adapter_type()} was asked for, but the model is a {type(handle.model).__name__} without adapters"
        ]
    config = handle.model.peft_config["default"]
    if config.peft_type.value != method.adapter_type():
        return [f"{method.adapter_type()} was asked for, but {config.peft_type.value} is on the model"]
    asked = method.adapter_fields()
    return _config_problems(asked, config) + _trainable_problems(asked, handle) + _target_problems(asked, handle, base)


def _config_problems(asked: dict[str, Any], config: Any) -> list[str]:
    problems = []
    for key, wanted in asked.items():
        got = getattr(config, key)
        if (sorted(got) if isinstance(got, set) else got) != (sorted(wanted) if isinstance(got, set) else wanted):
            problems.append(f"{key} = {wanted!r} was asked for, but the adapters have {got!r}")
    return problems


def _trainable_problems(asked: dict[str, Any], handle: Handle) -> list[str]:
    if not handle.trainable():
        return ["nothing is trainable"]
    if asked.get("bias", "none") != "none":  # PEFT then trains the base's own biases
        return []
    moved = [name for name, tensor in handle.view.tensors(handle.live, handle.unwrapped) if tensor.requires_grad]
    return [f"base tensor {name} is trainable under an adapter method" for name in moved]


def _target_problems(asked: dict[str, Any], handle: Handle, base: BaseObservation) -> list[str]:
    targets = asked.get("target_modules")
    if targets is None or asked.keys() & {
        "layers_to_transform",
        "exclude_modules",
        "target_parameters",
        "modules_to_save",
    }:
        return []
    wanted = {name.rpartition(".")[0] for name in base.shapes if ends_with(name.rpartition(".")[0], targets)}
    got = {path for path, module in handle.live.named_modules() if isinstance(module, BaseTunerLayer)}
    missing = [f"{path} is a target without an adapter" for path in sorted(wanted - got)]
    return missing + [f"{path} has an adapter but is no target" for path in sorted(got - wanted)]


def principal_start_problems(
    handle: Handle, base: BaseObservation, rank: int, targets: Sequence[str], exact: bool
) -> list[str]:
    """Return where the start is not PiSSA's: residual + delta = W0, and delta = the top-`rank` singular part of W0.

    The sum is checked for every matrix, the singular part (one SVD each) for `SVD_SAMPLE` of them, evenly spread. A
    randomised SVD (`exact` false) mixes in other directions where the spectrum is flat, but must still carry 80 % of
    the norm of the top part; adapters that start at zero carry none.
    """
    layers = [(p, m) for p, m in handle.live.named_modules() if isinstance(m, BaseTunerLayer) and ends_with(p, targets)]
    sampled = {path for path, _ in layers[:: -(-len(layers) // SVD_SAMPLE)]} if layers else set()
    problems = []
    for path, layer in layers:
        original = base.weights[f"{path}.weight"].float()
        with torch.no_grad():
            residual = handle.unwrapped(layer).get_parameter("weight").float()
            delta = handle.merged(layer).get_parameter("weight").float() - residual
        lost = (_norm(residual + delta - original) / _norm(original)).item()
        if lost > RESIDUAL_TOLERANCE[base.dtype]:
            problems.append(f"{path}: residual plus adapter differs from the base by {lost:.2g} of its norm")
        if path in sampled:
            problems += _top_part_problems(path, delta, original, rank, exact)
    return problems


def _top_part_problems(path: str, delta: Tensor, original: Tensor, rank: int, exact: bool) -> list[str]:
    top = _top_part(original, rank)
    off, carried = (_norm(delta - top) / _norm(top)).item(), (_norm(delta) / _norm(top)).item()
    if carried >= 0.8 and (off <= 0.01 or not exact):
        return []
    return [f"{path}: the adapter at the start differs from the top-{rank} singular part by {off:.2g} of its norm"]


def _norm(matrix: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.matrix_norm(matrix.double())
    return norm


def _top_part(weight: Tensor, rank: int) -> Tensor:
    u, s, vt = torch.linalg.svd(weight.double(), full_matrices=False)
    top: Tensor = (u[:, :rank] * s[:rank]) @ vt[:rank]
    return top
