"""Linear layers whose weight or bias is made from other, trained tensors, and the handle over them.

A wrapper keeps the base layer frozen inside and says in one place what weight and bias it stands for; the forward pass,
merging and export all read them there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.handle import DenseHandle
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.base.plain import PlainView
from rlvr_bench.methods.base.targets import linear_targets


class WrappedLinear(nn.Module, ABC):
    """A linear layer over `base_layer`, frozen. What a subclass adds is float32; its parameters are trained."""

    def __init__(self, base_layer: nn.Linear) -> None:
        super().__init__()
        self.base_layer = base_layer.requires_grad_(False)

    @abstractmethod
    def weight_and_bias(self) -> tuple[Tensor, Tensor | None]:
        """Return weight (out, in) and bias (out,), differentiable; they are used in the dtype of the base layer."""

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self._in_base_dtype()
        return F.linear(input, weight, bias)

    def merged(self) -> nn.Linear:
        """Return a plain layer that does the same."""
        weight, bias = self._in_base_dtype()
        plain = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        plain.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            plain.bias = nn.Parameter(bias, requires_grad=False)
        return plain

    def _in_base_dtype(self) -> tuple[Tensor, Tensor | None]:
        base_weight = self.base_layer.weight
        with torch.autocast(base_weight.device.type, enabled=False):  # frames multiplied in bfloat16 are not the weight
            weight, bias = self.weight_and_bias()
        return weight.to(base_weight.dtype), None if bias is None else bias.to(base_weight.dtype)


class WrappedHandle(DenseHandle):
    """A handle over a model with wrapped linear layers."""

    def layers(self) -> list[tuple[str, WrappedLinear]]:
        """Path in the base and module of every wrapped layer."""
        return [(path, module) for path, module in self.model.named_modules() if isinstance(module, WrappedLinear)]

    def unwrapped(self, module: nn.Module) -> nn.Module:
        return module.base_layer if isinstance(module, WrappedLinear) else module

    def merged(self, module: nn.Module) -> nn.Module:
        return module.merged() if isinstance(module, WrappedLinear) else module

    def stored_tensors(self) -> dict[str, Tensor]:
        """What is trained, and the constants: another machine may choose the signs of singular vectors otherwise."""
        return dict(self.trainable()) | dict(self.frozen_additions())

    def realised(self) -> dict[str, Any]:
        return {"wrapped_layers": len(self.layers()), "modules": self.module_classes()}


AnyWrapped = TypeVar("AnyWrapped", bound=WrappedHandle)


def attach_wrapped(
    method: Method,
    model: PreTrainedModel,
    seed: int,
    wrap: Callable[[nn.Linear], WrappedLinear],
    handle: type[AnyWrapped],
) -> AnyWrapped:
    """Freeze `model`, put `wrap(linear)` in place of every targeted linear module, and return a `handle` over it."""
    paths = linear_targets(model, method.targets)
    view = PlainView(model)
    model.requires_grad_(False)
    for path in paths:
        linear = model.get_submodule(path)
        assert isinstance(linear, nn.Linear)
        model.set_submodule(path, wrap(linear).train(linear.training))
    return handle(model, view, method, seed)
