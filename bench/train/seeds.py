"""Separate random streams for adapter initialisation, data order and kinds of samples, all from a cell's one seed."""

import hashlib
from typing import Literal

Stream = Literal["adapter", "data", "rollout", "shadow", "preference", "held-out", "perturbation"]


def derive(seed: int, stream: Stream) -> int:
    """Return a 31-bit seed for one stream: the same for every method, unrelated between streams and between seeds."""
    return int.from_bytes(hashlib.sha256(f"{stream}:{seed}".encode()).digest()[:4], "big") >> 1
