"""Linear layers with a trained vector added to their output, and the check that this steers the layers they end."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.observation import BaseObservation
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.base.targets import decoder_layers, linear_targets
from rlvr_bench.methods.base.wrapped_linear import WrappedHandle, WrappedLinear, attach_wrapped
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.steering.steering import Steering


class SteeredLinear(WrappedLinear):
    """A linear layer plus `steering` (out,), which starts at 0."""

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__(base_layer)
        self.steering = nn.Parameter(base_layer.weight.new_zeros(base_layer.out_features, dtype=torch.float32))

    def weight_and_bias(self) -> tuple[Tensor, Tensor | None]:
        bias = self.base_layer.bias
        return self.base_layer.weight, self.steering if bias is None else bias + self.steering


def attach_steering(method: Steering, model: PreTrainedModel, seed: int, _: Calibration | None = None) -> WrappedHandle:
    """Add a vector to the module that ends each layer; raises `MethodError` when targets do not name one per layer."""
    _ends(method, model)
    return attach_wrapped(method, model, seed, SteeredLinear, WrappedHandle)


def refuse_inner_ends(method: Steering, model: PreTrainedModel) -> None:
    """Raise `MethodError` where targets do not end the layers, or what they give is normed or scaled behind them."""
    end = model.get_submodule(_ends(method, model)[-1])
    if any(parameter.is_meta for parameter in model.parameters()):  # a plan has no weights to try it on
        return
    (*_, layer), width = decoder_layers(model).values(), model.config.hidden_size
    ids = torch.arange(8, device=model.device)[None] % model.config.vocab_size
    push = torch.linspace(1, 2, width, device=model.device)
    seen: list[Tensor] = []
    outputs = layer.register_forward_hook(lambda _, __, output: seen.append(_hidden(output)))
    last_logits(model, ids)
    pushes = end.register_forward_hook(lambda _, __, output: output + push.to(output.dtype))
    last_logits(model, ids)
    for hook in (outputs, pushes):
        hook.remove()
    before, after = seen
    if not torch.allclose((after - before).float(), push.expand_as(after), atol=0.05):
        raise MethodError(
            f"steering adds to a layer's output by its last linear module, but in {type(model).__name__} a norm or a "
            f"factor follows on {list(method.targets)}; choose bitfit or ln-tuning for this base"
        )


def _ends(method: Steering, model: PreTrainedModel) -> list[str]:
    """Return the targeted module of each layer; raises `MethodError` when targets do not name one per layer."""
    paths, width = linear_targets(model, method.targets), model.config.hidden_size
    for layer in decoder_layers(model):
        ends = [path for path in paths if path.startswith(f"{layer}.")]
        if len(ends) != 1 or model.get_submodule(ends[0]).out_features != width:
            raise MethodError(
                f"steering adds one vector of {width} values to every layer, but targets = {list(method.targets)} "
                f"names {ends or 'nothing'} in {layer}; set targets to the module that ends a layer, such as down_proj"
            )
    return paths


def _hidden(output: Any) -> Tensor:
    """Return the hidden states of what a decoder layer hands on."""
    hidden: Tensor = output[0] if isinstance(output, tuple) else output
    return hidden


def steering_problems(method: Steering, handle: Handle, base: BaseObservation) -> list[str]:
    """Return what shows that the trained vectors, in model order, are not 0 or not added to the layers' outputs.

    Compared at random vectors as large as the residual stream, with the plain model and hooks that add the same.
    """
    vectors = [parameter for _, parameter in handle.trainable()]
    plain = handle.view.model
    count, width = len(decoder_layers(plain)), plain.config.hidden_size
    if [tuple(vector.shape) for vector in vectors] != [(width,)] * count:
        return [f"what is trained is not one vector of {width} values for each of {count} layers"]
    if any(vector.any() for vector in vectors):
        return ["a steering vector does not start at 0"]
    generator = torch.Generator().manual_seed(0)
    none = [torch.zeros_like(vector) for vector in vectors]
    pushes = [
        torch.randn(width, generator=generator).to(output.device) * output.float().std()
        for output in _layer_outputs(plain, none, base.token_ids)
    ]
    wanted = _layer_outputs(plain, pushes, base.token_ids)[-1].float()
    with torch.no_grad():
        for vector, push in zip(vectors, pushes, strict=True):
            vector.copy_(push)
        got = _layer_outputs(handle.live, none, base.token_ids)[-1].float()
        for vector in vectors:
            vector.zero_()
    error = float((got - wanted).abs().max() / wanted.abs().max())
    if error <= base.tolerance:
        return []
    return [f"the vectors are not added to the layers' outputs: at other vectors the last one is {error:.3g} off"]


def _layer_outputs(model: nn.Module, pushes: Sequence[Tensor], token_ids: Tensor) -> list[Tensor]:
    """Return what every decoder layer of `model` hands on (batch, length, width) when `pushes` are added to it."""
    seen: list[Tensor] = []

    def adding(push: Tensor) -> Callable[[nn.Module, Any, Any], Any]:
        def add(_: nn.Module, __: Any, output: Any) -> Any:
            hidden = _hidden(output)
            seen.append(hidden + push.to(hidden.dtype))
            return (seen[-1], *output[1:]) if isinstance(output, tuple) else seen[-1]

        return add

    layers = decoder_layers(model).values()
    hooks = [layer.register_forward_hook(adding(push)) for layer, push in zip(layers, pushes, strict=True)]
    last_logits(model, token_ids)
    for hook in hooks:
        hook.remove()
    return seen
