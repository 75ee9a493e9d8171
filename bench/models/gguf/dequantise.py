"""The values of a stored tensor, in float32."""

from typing import Any

import numpy as np
from gguf import dequantize

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.header import GgufHeader, StoredTensor

Array = np.ndarray[Any, np.dtype[np.float32]]


def values_of(header: GgufHeader, stored: StoredTensor) -> Array:
    """Return a tensor's values. Raises ModelError where the package gguf cannot de-quantise its type."""
    raw = np.memmap(header.path, dtype=np.uint8, mode="r", offset=stored.start, shape=(stored.size,))
    try:
        values = dequantize(raw.reshape(*stored.shape[:-1], -1), stored.quantisation)
    except NotImplementedError as error:
        raise ModelError(
            f"{header.path} stores {stored.name} in {stored.quantisation.name}, which the package gguf cannot read:"
            " give a file in F16, Q8_0 or Q4_K_M."
        ) from error
    return np.asarray(values, dtype=np.float32).reshape(stored.shape)
