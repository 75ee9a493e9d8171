"""A linear layer of which only chosen entries are trained.

The dense weight is a frozen parameter that always holds the current values, so that anything that reads `weight`
(generation, saving) sees the trained model. The chosen entries live a second time in `values`, the only tensor with a
gradient and optimizer state; the dense gradient of a layer exists only while that layer is in the backward pass.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


class _GatherGradient(torch.autograd.Function):
    """Identity on the dense weight whose gradient goes, gathered, to the chosen entries."""

    @staticmethod
    def forward(ctx: FunctionCtx, weight: Tensor, values: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(index)
        ctx.values_dtype = values.dtype  # type: ignore[attr-defined]
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        (index,) = ctx.saved_tensors
        return None, gradients[0].reshape(-1).index_select(0, index).to(ctx.values_dtype), None


class MaskedLinear(nn.Linear):
    """`nn.Linear` over the same weight and bias, trained through `values` (count,) at the flat positions `index`.

    `values` is float32 whatever the weight's dtype; the forward pass uses the weight, that is the rounded values.
    """

    index: Tensor

    def __init__(self, linear: nn.Linear, index: Tensor) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        for frozen in (self.weight, self.bias):
            if frozen is not None:
                frozen.requires_grad_(False)
        narrow = torch.int32 if self.weight.numel() < 2**31 else torch.int64
        self.register_buffer("index", index.to(device=self.weight.device, dtype=narrow))
        self.values = nn.Parameter(self.weight.detach().reshape(-1).index_select(0, self.index).float())
        self._written = self.values._version

    def write_values(self) -> None:
        """Put the current `values` into the dense weight."""
        with torch.no_grad():
            self.weight.view(-1)[self.index.long()] = self.values.to(self.weight.dtype)
        self._written = self.values._version

    def outside(self) -> Tensor:
        """Return a copy of the weight with the trained entries set to zero."""
        outside = self.weight.detach().clone()
        outside.view(-1)[self.index.long()] = 0
        return outside

    def move_mask(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Train the flat entries `index` (sorted, as many as before) from now on; the weight stays as it is.

        Returns the places of the entries that stay trained, (stayed,) each: in the old mask, and in the new one.
        """
        self.write_values()
        old, new = self.index.long(), index.to(self.index.device)
        after = torch.isin(new, old, assume_unique=True).nonzero().reshape(-1)
        before = torch.searchsorted(old, new[after])
        values = self.weight.detach().reshape(-1)[new].float()
        values[after] = self.values.detach()[before]  # float32, where the weight holds them rounded
        with torch.no_grad():
            self.values.copy_(values)
            self.index.copy_(new)
        self._written = self.values._version
        return before, after

    def forward(self, input: Tensor) -> Tensor:
        if self.values._version != self._written:  # the optimizer, or a loaded state, has moved them
            self.write_values()
        if not torch.is_grad_enabled():
            return F.linear(input, self.weight, self.bias)
        return F.linear(input, _GatherGradient.apply(self.weight, self.values, self.index), self.bias)


def masked_layers(model: nn.Module) -> list[tuple[str, MaskedLinear]]:
    """Return path and module of every masked layer of `model`."""
    return [(path, module) for path, module in model.named_modules() if isinstance(module, MaskedLinear)]
