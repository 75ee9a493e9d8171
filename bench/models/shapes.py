"""The shapes of a checkpoint's tensors, read from the headers of its safetensors files. Imports no torch."""

import json
from pathlib import Path

from rlvr_bench.models.errors import ModelError

LENGTH_BYTES = 8
"""A safetensors file starts with the length of its JSON header, little-endian."""


def parameter_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every stored tensor of the checkpoint in `folder`. Raises ModelError if there is none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(f"Folder {folder} has no safetensors file: save the model with save_pretrained.")
    shapes: dict[str, tuple[int, ...]] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                length = int.from_bytes(file.read(LENGTH_BYTES), "little")
                header = json.loads(file.read(min(length, path.stat().st_size)))
            shapes |= {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"{path} is not safetensors ({error}): save the model with save_pretrained.") from error
    return shapes
