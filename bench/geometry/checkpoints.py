"""Reading a checkpoint tensor by tensor: a folder of safetensors, single or sharded. Nothing else is ever read.

Structure is checked from the files' headers, before the first tensor is read. Every error is a ModelError: one sentence
with what is wrong and the fix.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.shards import INDEX, shards_of

SINGLE = "model.safetensors"
OUTPUT = "lm_head.weight"
EMBEDDING = re.compile(r"(^|\.)(embed_tokens|wte|embed_in|word_embeddings)\.weight$")
FLOATS = {"F64", "F32", "F16", "BF16"}
BUFFERS = {"I64", "BOOL"}
"""Positions and masks that old checkpoints store beside the weights: not weights, not compared."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder's tensors: which file holds each, and its shape."""

    folder: Path
    files: dict[str, Path]
    shapes: dict[str, tuple[int, ...]]

    def read(self, name: str) -> Tensor:
        """Return one tensor in its stored dtype."""
        with opened(self.files[name]) as file:
            tensor: Tensor = file.get_tensor(name)
        return tensor


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read the headers of a folder's safetensors. Raises ModelError if a file is missing, damaged or quantised."""
    files: dict[str, Path] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for path, promised in _weight_files(folder).items():
        with opened(path) as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        for name in sorted(promised - slices.keys()):
            raise ModelError(f"{path} has no tensor {name}, which the index promises: fetch or save the model again.")
        for name, slice_ in slices.items():
            if name in files:
                raise ModelError(f"{name} is in {files[name].name} and in {path.name} of {folder}: keep one of them.")
            if _is_weight(name, slice_.get_dtype(), folder):
                files[name], shapes[name] = path, tuple(slice_.get_shape())
    return Checkpoint(folder, files, shapes)


def aligned_names(base: Checkpoint, tuned: Checkpoint) -> list[str]:
    """Return the tensors to compare, tied ones once, in the base's order.

    Raises ModelError unless both have the same tensors of the same shapes.
    """
    left_out = {OUTPUT} if _tied(base) and _tied(tuned) else set()
    for one, other in ((base, tuned), (tuned, base)):
        missing = [name for name in one.shapes if name not in other.shapes and name not in left_out]
        if missing:
            raise ModelError(
                f"{other.folder} has no tensor {missing[0]} ({len(missing)} are missing), which {one.folder} has:"
                " compare two checkpoints of one architecture."
            )
    for name, shape in base.shapes.items():
        if name not in left_out and tuned.shapes[name] != shape:
            raise ModelError(
                f"{name} is {_times(shape)} in {base.folder} and {_times(tuned.shapes[name])} in {tuned.folder}:"
                " compare two checkpoints of one architecture."
            )
    names = [name for name in base.shapes if name not in left_out]
    return [name for name in names if name != OUTPUT or not _same_as_embedding(base, tuned)]


def _weight_files(folder: Path) -> dict[Path, set[str]]:
    """Return the files of a checkpoint, each with the tensors that an index says are in it."""
    if (folder / SINGLE).is_file():
        return {folder / SINGLE: set()}
    indices = sorted(folder.glob(INDEX))
    if indices:
        return _indexed(folder, indices[0])
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        reason = "only pickled weights, which could run code" if pickled else "no model weights"
        raise ModelError(f"Folder {folder} has {reason}: save the model with save_pretrained as safetensors.")
    numbered = [re.search(r"-of-(\d+)\.safetensors$", path.name) for path in files]
    promised = max((int(match[1]) for match in numbered if match), default=0)
    if promised > len(files):
        raise ModelError(f"Folder {folder} has {len(files)} of {promised} shards: fetch or save the model again.")
    return {path: set() for path in files}


def _indexed(folder: Path, index: Path) -> dict[Path, set[str]]:
    shards = {folder / file: names for file, names in shards_of(index).items()}
    missing = sorted(path.name for path in shards if not path.is_file())
    if missing:
        raise ModelError(
            f"Folder {folder} lacks the shard {missing[0]} ({len(missing)} of {len(shards)} are missing), which"
            f" {index.name} names: fetch or save the model again."
        )
    return shards


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a safetensors file; raises ModelError where it is none, or is cut off."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path} is no whole safetensors file ({error}): fetch or save the model again.") from error


def _is_weight(name: str, dtype: str, folder: Path) -> bool:
    if dtype in FLOATS or dtype in BUFFERS:
        return dtype in FLOATS
    raise ModelError(
        f"{name} of {folder} is stored as {dtype}: figures are defined for plain floating-point weights; save the model"
        " de-quantised."
    )


def _tied(checkpoint: Checkpoint) -> bool:
    """Whether the configuration says that the output matrix is the embedding, whatever the file stores under it."""
    path = checkpoint.folder / "config.json"
    if not path.is_file():
        return False
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not JSON ({error}): fetch or save the model again.") from error
    return bool(config.get("tie_word_embeddings")) if isinstance(config, dict) else False


def _same_as_embedding(base: Checkpoint, tuned: Checkpoint) -> bool:
    """Whether the stored output matrix is, on both sides, a second copy of the embedding."""
    embedding = next((name for name in base.shapes if EMBEDDING.search(name)), None)
    if embedding is None or base.shapes[embedding] != base.shapes[OUTPUT]:
        return False
    return all(torch.equal(side.read(OUTPUT), side.read(embedding)) for side in (base, tuned))


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"
