"""Whether the adapters on a model are those that were asked for, read from the model alone."""

import math
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel
from peft.tuners.lora.layer import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import ends_with
from rlvr_bench.methods.base.observation import BaseObservation
from rlvr_bench.methods.peft.handle import plain_value

if TYPE_CHECKING:
    from rlvr_bench.methods.peft.method import PeftMethod

RESIDUAL_TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 1e-2, torch.float16: 2e-3}
"""Largest ||residual + delta - W0|| / ||W0|| that storing the residual in the base's dtype explains."""


NARROWING = frozenset({"layers_to_transform", "exclude_modules", "target_parameters", "modules_to_save"})
"""PEFT fields that move adapters elsewhere than the targets say."""


def adapter_problems(method: "PeftMethod", handle: Handle, base: BaseObservation) -> list[str]:
    """Return where PEFT type, config or adapted modules differ from what `method` asks for."""
    if not isinstance(handle.model, PeftModel):
        return [
            f"{method.adapter_type()} was asked for, but the model is a {type(handle.model).__name__} without adapters"
        ]
    config = handle.model.peft_config["default"]
    if config.peft_type.value != method.adapter_type():
        return [f"{method.adapter_type()} was asked for, but {config.peft_type.value} is on the model"]
    fields = method.config_fields(base.shapes, handle.seed)
    adapted = _trainable_problems(fields, handle) + _target_problems(fields, handle, base)
    return _config_problems(fields, config) + _scale_problems(config, handle) + adapted


def _config_problems(fields: dict[str, Any], config: Any) -> list[str]:
    problems = []
    for key, wanted in fields.items():
        got = plain_value(getattr(config, key))
        if key == "target_modules":  # what is really adapted is looked at below, and EVA rewrites the list
            continue
        if isinstance(wanted, dict) and isinstance(got, dict):  # the rest of a nested config has its defaults
            got = {name: got.get(name) for name in wanted}
        if got != plain_value(wanted):
            problems.append(f"{key} = {wanted!r} was asked for, but the adapters have {got!r}")
    return problems


def _scale_problems(config: Any, handle: Handle) -> list[str]:
    """Return where LoRA layers scale B A by something else than alpha / rank, or alpha / sqrt(rank) with rsLoRA."""
    if config.peft_type.value != "LORA":
        return []
    problems = []
    for path, layer in handle.live.named_modules():
        if not isinstance(layer, LoraLayer) or "default" not in layer.scaling:
            continue
        rank = layer.r["default"]
        if rank != config.r:  # a rank, and with it a scale, of its own: EVA, rank_pattern
            continue
        wanted = config.lora_alpha / (math.sqrt(rank) if config.use_rslora else rank)
        if not math.isclose(layer.scaling["default"], wanted) and not config.alpha_pattern:
            problems.append(f"{path} scales its update by {layer.scaling['default']:.4g}, the config says {wanted:.4g}")
    return problems


def _trainable_problems(fields: dict[str, Any], handle: Handle) -> list[str]:
    if not handle.trainable():
        return ["nothing is trainable"]
    if fields.get("bias", "none") != "none":  # PEFT then trains the base's own biases
        return []
    moved = [name for name, tensor in handle.view.tensors(handle.live, handle.unwrapped) if tensor.requires_grad]
    return [f"base tensor {name} is trainable under an adapter method" for name in moved]


def _target_problems(fields: dict[str, Any], handle: Handle, base: BaseObservation) -> list[str]:
    targets = fields.get("target_modules")
    if targets is None or fields.keys() & NARROWING:
        return []
    wanted = {name.rpartition(".")[0] for name in base.shapes if ends_with(name.rpartition(".")[0], targets)}
    got = {path for path, module in handle.live.named_modules() if isinstance(module, BaseTunerLayer)}
    dropped = (fields.get("eva_config") or {}).get("rho", 1) > 1  # EVA may give all of a module's rank to others
    missing = [f"{path} is a target without an adapter" for path in sorted(wanted - got) if not dropped]
    return missing + [f"{path} has an adapter but is no target" for path in sorted(got - wanted)]
