"""Counting what a method trains without weights: it is attached to a copy of the model's modules that holds none.

First to tensors of the meta device, which have a shape and nothing else. Adapters that look at values on the way (a
norm, a rank) are attached to zeros instead; the system gives zeros memory only where they are written.
"""

import copy
from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.errors import MethodError

INSIDE = (RuntimeError, LookupError)
"""What comes out of adapters whose sizes do not fit the model, or that miss a value."""


def trainable_count(method: Method, model: PreTrainedModel) -> int:
    """Return how many values `method` trains on `model`, which is left alone. Raises `MethodError` when it refuses."""
    try:
        return _attached_count(method, model, lambda tensor: tensor.to("meta"))
    except (MethodError, *INSIDE):
        pass  # it needs values: the next attempt has some
    try:
        return _attached_count(method, model, lambda tensor: torch.zeros_like(tensor, device="cpu"))
    except INSIDE as failure:
        raise MethodError(f"{method.type!r} cannot be counted on a model without weights: {failure!r}") from failure


def _attached_count(method: Method, model: PreTrainedModel, empty: Callable[[Tensor], Tensor]) -> int:
    """Attach `method` to a copy of `model` whose every tensor is `empty` of the original, and count."""
    twins: dict[int, Tensor] = {}
    for tensor in chain(model.parameters(), model.buffers()):
        twin = empty(tensor.detach())
        twins[id(tensor)] = nn.Parameter(twin, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin
    return method.attach(copy.deepcopy(model, twins), seed=0).trainable_parameters
