"""How many bytes of tensors an operation holds at once, counted from the tensors that its operators return.

Exact for what PyTorch allocates through its operators on any device; scratch memory inside one kernel is not seen.
"""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


class LiveBytes(TorchDispatchMode):
    """While active, tracks the bytes of tensors that were made since it began: `live` now, `peak` at most."""

    def __init__(self, there_before: Iterable[Tensor]) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self._known = WeakIdKeyDictionary()
        for tensor in there_before:
            for part in _strided(tensor):
                self._known[part.untyped_storage()] = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run one operator and count the storages that it made."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor):
                for part in _strided(tensor):
                    self._count(part)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        size = storage.nbytes()
        self._known[storage] = size
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self.live -= size


def _strided(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors that hold the memory of `tensor`: of a sparse one, its indices and values."""
    return (tensor,) if tensor.layout == torch.strided else (tensor._indices(), tensor._values())


def peak_bytes(operation: Callable[[], object], there_before: Iterable[Tensor]) -> int:
    """Return the largest number of bytes of new tensors that `operation` holds at once.

    `there_before` are the tensors that it finds: weights, optimizer state, inputs.
    """
    with LiveBytes(there_before) as tracked:
        operation()
    peak: int = tracked.peak
    return peak
