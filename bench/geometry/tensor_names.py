"""What a tensor's name says of it. Imports no torch."""

import re

_LAYER = re.compile(r"\.(\d+)\.")


def layer_of(name: str) -> int | None:
    """Return the number in a tensor's name, None outside the layers."""
    match = _LAYER.search(name)
    return int(match[1]) if match else None


def kind_of(name: str) -> str:
    """Return a matrix's own name, such as q_proj or embed_tokens."""
    return name.removesuffix(".weight").rpartition(".")[2]
