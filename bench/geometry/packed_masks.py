"""Changed-entry masks as records hold them, and what two of them would share by chance. Imports no torch."""

import base64

import numpy as np


def unpack(text: str, count: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return the first `count` entries of a packed mask.

    Raises:
        ValueError: it is not base64, or holds fewer entries.
    """
    data = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    if len(data) * 8 < count:
        raise ValueError(f"a packed mask of {len(data)} bytes has no {count} entries")
    return np.unpackbits(data, count=count).astype(np.bool_)


def expected_jaccard(p: float, q: float) -> float | None:
    """Return the Jaccard index p q / (p + q - p q) of independent masks of densities p and q."""
    return p * q / (p + q - p * q) if p or q else None
