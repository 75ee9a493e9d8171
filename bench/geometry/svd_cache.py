"""The decomposition of a base matrix, computed once and kept in the cache folder.

Addressed by content: the hash covers the values, so a file is right for whoever finds it, whatever the base is called
and however it is stored. A matrix with a small side is decomposed faster than it is hashed and read, and is not kept.
One side-squared float64 matrix and the singular values are written per base matrix: 2.7 MB at side 576, 103 at 3584.
"""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlvr_bench.geometry.singular import Singular, decompose
from rlvr_bench.methods.base.digest import tensor_digest
from rlvr_bench.record.atomic import replace_whole
from rlvr_bench.record.cache import cache_dir

KEPT_FROM = 256
"""Smaller side from which a decomposition is kept."""

_CODE_VERSION = 1
"""Raised when a change of `singular` changes what it returns."""


def cached_decomposition(stored: Tensor) -> Singular:
    """Return `decompose` of a matrix in its stored dtype, from the cache if it is there and whole.

    Raises:
        RecordError: the cache cannot be written.
    """
    if min(stored.shape) < KEPT_FROM:
        return decompose(stored.double())
    path = cache_dir() / "svd" / f"{_key(stored)}.safetensors"
    singular = _read(path, min(stored.shape))
    if singular is None:
        singular = decompose(stored.double())
        tensors = {"values": singular.values.contiguous(), "basis": singular.basis.contiguous()}
        replace_whole(path, lambda temporary: save_file(tensors, temporary))
    return singular


def _key(stored: Tensor) -> str:
    return hashlib.sha256(f"{_CODE_VERSION} {torch.__version__} {tensor_digest(stored)}".encode()).hexdigest()[:32]


def _read(path: Path, side: int) -> Singular | None:
    try:
        tensors = load_file(path)
    except (FileNotFoundError, SafetensorError):
        return None
    singular = Singular(tensors["values"], tensors["basis"])
    return singular if singular.basis.shape == (side, side) else None
