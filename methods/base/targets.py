"""From name endings and layer numbers to the modules of one model."""

from collections.abc import Sequence

from torch import nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.method import ends_with
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.plugins.suggestion import did_you_mean


def linear_targets(model: nn.Module, endings: Sequence[str]) -> list[str]:
    """Return the paths of all linear modules of `model` whose name ends in one of `endings`, in model order.

    Raises `MethodError` when an ending matches none, or when a matched weight is tied to another module: a method
    that moved a tied matrix would move the embedding with it.
    """
    linear = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    known = sorted({path.rpartition(".")[2] for path in linear})
    for ending in endings:
        if not any(ends_with(path, [ending]) for path in linear):
            raise MethodError(
                f"targets names {ending!r}, which no linear module of {type(model).__name__} ends in"
                f"{did_you_mean(ending, known)}"
            )
    paths = [path for path in linear if ends_with(path, endings)]
    _refuse_tied(model, paths)
    return paths


def _refuse_tied(model: nn.Module, paths: Sequence[str]) -> None:
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(path)
    for path in paths:
        others = [o for o in owners[id(model.get_submodule(path).get_parameter("weight"))] if o != path]
        if others:
            raise MethodError(
                f"target {path!r} shares its weight with {others[0]!r} (tied embeddings); leave it out of targets"
            )


def decoder_layers(model: PreTrainedModel) -> dict[str, nn.Module]:
    """Return path -> decoder layer of `model`, in order; raises `MethodError` for a model that has no list of them."""
    count = model.config.num_hidden_layers
    for path, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return {f"{path}.{number}": layer for number, layer in enumerate(module)}
    raise MethodError(f"{type(model).__name__} keeps no list of its {count} layers; choose a method without layers")
