"""Hashes over tensors, so that a record can say which bytes were trained and which stayed."""

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


def tensor_digest(tensor: Tensor) -> str:
    """Return the SHA-256 (hex) of shape and values of `tensor`.

    Floating tensors narrower than float32 are widened first (exact and one to one), so that storing the same values in
    float32 does not count as a change. Of a tensor on the meta device there is only the shape.
    """
    if tensor.is_meta:
        return hashlib.sha256(repr(tuple(tensor.shape)).encode()).hexdigest()
    value = tensor.detach().cpu()
    if value.dtype in (torch.bfloat16, torch.float16):
        value = value.float()
    digest = hashlib.sha256(repr(tuple(value.shape)).encode())
    digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def digests(named: Iterable[tuple[str, Tensor]]) -> dict[str, str]:
    """Return name -> digest."""
    return {name: tensor_digest(tensor) for name, tensor in named}


def combined_digest(parts: dict[str, str]) -> str:
    """Return one SHA-256 (hex) over names and digests, independent of their order."""
    return hashlib.sha256("\n".join(f"{name} {parts[name]}" for name in sorted(parts)).encode()).hexdigest()
