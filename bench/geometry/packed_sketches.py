"""Sketches of updates as records hold them, and the angle between two of them. Imports no torch."""

import base64

import numpy as np
from numpy.typing import NDArray

Sketch = NDArray[np.float32]


def pack_sketch(sketch: Sketch) -> str:
    """Return a sketch as base64 of little-endian float32 numbers."""
    return base64.b64encode(sketch.astype("<f4").tobytes()).decode("ascii")


def unpack_sketch(text: str) -> Sketch:
    """Return a sketch from what `pack_sketch` gave; raises ValueError for anything else."""
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)


def cosine(one: Sketch, other: Sketch) -> float | None:
    """Return the cosine between two updates as their sketches show it; None where either is 0 or sizes differ."""
    if one.shape != other.shape:
        return None
    first, second = one.astype(np.float64), other.astype(np.float64)
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else None
