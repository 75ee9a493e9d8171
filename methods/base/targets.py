"""From `targets` to the modules of one model: name endings, and groups that mean the same on every decoder.

A group is read off the structure: the linear modules of the decoder blocks, without head and embeddings; "attention"
are those inside a block's attention module, "mlp" all others. Experts that are fused into one tensor are no linear
modules, a gate with a single output is a vector, and what computes something else with its weight (a router that
returns its choice) is more than linear: no group holds them.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from rlvr_bench.methods.base.method import TARGET_GROUPS, Method, ends_with
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.plugins.suggestion import did_you_mean

TRIED_TOKENS = 32
"""Tokens of the forward pass that shows which modules are called."""

_GROUPS = {names: group for group, names in TARGET_GROUPS.items()}


def resolve_targets(method: Method, model: PreTrainedModel) -> Method:
    """Return `method` with a group among its targets written as name endings of `model`; others as they are.

    The endings are the shortest that name the group's modules and no other. On a Llama they are the group's own
    names. Raises `MethodError` when the model has no module of the group.
    """
    if method.targets_are_norms:
        return _resolve_norms(method, model)
    group = _GROUPS.get(method.targets)
    if group is None or not method.targets_are_linear:
        return method
    wanted = group_paths(model, group)
    if not wanted:
        others = group_paths(model, "all-linear")
        raise MethodError(
            f"targets = {group!r} names no linear module of {type(model).__name__} (experts fused into one tensor are "
            f"none){did_you_mean('', _last_names(others))}"
        )
    paths = {path for path, _ in model.named_modules()}
    closing = _closing(model, wanted)
    rest = [path for path in wanted if path not in closing]
    last = _shortest(closing, paths - set(closing))
    endings = _shortest(rest, paths - set(rest)) + last
    return method if set(endings) == set(method.targets) else method.with_targets(endings, last)


def _resolve_norms(method: Method, model: PreTrainedModel) -> Method:
    """Return `method` with its default targets written as the endings of all norms of `model`, by their classes."""
    weights = [path for path, module in model.named_modules() if "weight" in module._parameters]
    wanted = [path for path in weights if "Norm" in type(model.get_submodule(path)).__name__]
    at_default = method.targets == type(method).model_fields["targets"].default
    if not at_default or wanted == [path for path in weights if ends_with(path, method.targets)]:
        return method
    return method.with_targets(_shortest(wanted, set(weights) - set(wanted)), ())


def refuse_misfit(method: Method, model: PreTrainedModel) -> None:
    """Raise `MethodError` where `method`, resolved, does not fit the modules of `model`; nothing is attached for it."""
    if model.base_model is model:
        raise MethodError(
            f"{type(model).__name__} has no decoder of its own, whose hidden states trainers read; choose another base"
        )
    if method.targets_are_linear:
        linear_targets(model, method.targets)
    if method.resolved:
        method.expected_trainable({name: tuple(parameter.shape) for name, parameter in model.named_parameters()})


def group_paths(model: PreTrainedModel, group: str) -> list[str]:
    """Return the paths of the linear modules of `model` that are in a group of `TARGET_GROUPS`, in model order."""
    attention, mlp = list[str](), list[str]()
    for path, layer in decoder_layers(model).items():
        homes = [f"{name}." for name, module in layer.named_modules() if name and _attends(name, module)]
        for name, module in layer.named_modules():
            if _is_linear(module) and min(module.get_parameter("weight").shape) > 1:
                (attention if name.startswith(tuple(homes)) else mlp).append(f"{path}.{name}")
    members = {"attention": {*attention}, "mlp": {*mlp}, "all-linear": {*attention, *mlp}}[group]
    return [path for path, _ in model.named_modules() if path in members]


def linear_targets(model: nn.Module, endings: Sequence[str]) -> list[str]:
    """Return the paths of all linear modules of `model` whose name ends in one of `endings`, in model order.

    Raises `MethodError` when an ending matches none, or a `Conv1D`, whose weight is transposed; and when a matched
    weight is tied to another module: a method that moved a tied matrix would move the embedding with it.
    """
    for path, module in model.named_modules():
        if isinstance(module, Conv1D) and ends_with(path, endings):
            raise MethodError(f"target {path!r} is a Conv1D, whose weight is transposed; load the model by its folder")
    linear = {path: module for path, module in model.named_modules() if isinstance(module, nn.Linear)}
    for ending in endings:
        if not any(ends_with(path, [ending]) for path in linear):
            raise MethodError(
                f"targets names {ending!r}, which no linear module of {type(model).__name__} ends in"
                f"{did_you_mean(ending, _last_names(linear))}"
            )
    paths = [path for path in linear if ends_with(path, endings)]
    _refuse_tied(model, paths)
    return paths


def refuse_uncalled(model: PreTrainedModel, paths: Sequence[str]) -> None:
    """Raise `MethodError` where a module of `paths` takes no part in a forward pass but by its weight.

    What stands around such a module (an adapter) would be passed by: state-space layers read the weight of their step
    sizes (`dt_proj`) so. It is enough that one module of a name is called: few tokens do not reach every expert. A
    model without weights is not tried.
    """
    parameters = [model.get_submodule(path).get_parameter("weight") for path in paths]
    if any(parameter.is_meta for parameter in parameters):
        return
    called = set[str]()
    hooks = [model.get_submodule(path).register_forward_hook(_noting(path, called)) for path in paths]
    try:
        with torch.no_grad():
            model(torch.arange(TRIED_TOKENS, device=model.device)[None] % model.config.get_text_config().vocab_size)
    finally:
        for hook in hooks:
            hook.remove()
    names = {path.rpartition(".")[2] for path in called}
    uncalled = sorted({path.rpartition(".")[2] for path in paths} - names)
    if uncalled:
        raise MethodError(
            f"target {uncalled[0]!r} of {type(model).__name__} is read by its weight and never called, so that an "
            f"adapter on it would do nothing; set targets to {sorted(names)}"
        )


def _noting(path: str, called: set[str]) -> Callable[..., None]:
    def note(*_: object) -> None:
        called.add(path)

    return note


def _is_linear(module: nn.Module) -> bool:
    """Whether a module gives the product with its weight; of a subclass with a forward pass of its own it is tried."""
    if not isinstance(module, nn.Linear | Conv1D):
        return False
    if isinstance(module, Conv1D) or type(module).forward is nn.Linear.forward:
        return True
    vector = torch.zeros(1, module.in_features, dtype=module.weight.dtype, device=module.weight.device)
    with torch.no_grad():
        given = module(vector)
    return isinstance(given, torch.Tensor) and given.shape == (1, module.out_features)


def _last_names(paths: Iterable[str]) -> list[str]:
    return sorted({path.rpartition(".")[2] for path in paths})


def _attends(name: str, module: nn.Module) -> bool:
    """Whether a block's submodule is its attention, by what transformers calls such classes and attributes."""
    return "Attention" in type(module).__name__ or name.endswith(("attn", "attention"))


def _closing(model: PreTrainedModel, paths: Collection[str]) -> list[str]:
    """Return which of `paths` lead from the inside of a feed-forward block, of a width of its own, back out of it."""
    width = model.config.get_text_config(decoder=True).hidden_size
    shapes = {path: model.get_submodule(path).get_parameter("weight").shape for path in group_paths(model, "mlp")}
    return [path for path, (outputs, inputs) in shapes.items() if path in paths and outputs == width != inputs]


def _shortest(wanted: Sequence[str], others: Collection[str]) -> tuple[str, ...]:
    """Return the shortest endings, in the order of `wanted`, that name all of `wanted` and none of `others`."""
    endings: dict[str, None] = {}
    for path in wanted:
        parts = path.split(".")
        suffixes = (".".join(parts[start:]) for start in reversed(range(len(parts))))
        endings[next(suffix for suffix in suffixes if not any(ends_with(other, [suffix]) for other in others))] = None
    return tuple(endings)


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
    count = model.config.get_text_config(decoder=True).num_hidden_layers
    for path, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return {f"{path}.{number}": layer for number, layer in enumerate(module)}
    raise MethodError(f"{type(model).__name__} keeps no list of its {count} layers; choose a method without layers")
