"""From two names to pairs of tensors, one at a time in memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from rlvr_bench.console.progress import Report
from rlvr_bench.geometry.adapters import adapted, is_adapter
from rlvr_bench.geometry.checkpoints import Checkpoint, aligned_names, open_checkpoint
from rlvr_bench.models.base import folder_of
from rlvr_bench.models.config import base_named
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.source import organism_names


class TensorPair(NamedTuple):
    """One tensor before and after training, each in its stored dtype."""

    name: str
    before: Tensor
    after: Tensor


@dataclass(frozen=True, slots=True)
class Pairs:
    """The tensor pairs of two checkpoints, to be iterated once, and the shapes of all by name."""

    shapes: dict[str, tuple[int, ...]]
    tensors: Iterator[TensorPair]


def open_pairs(base: str, tuned: str, progress: Report) -> Pairs:
    """Open two checkpoints of one architecture.

    Args:
        base: organism, packaged model, folder or hub id of a whole checkpoint.
        tuned: the same, or a folder or hub id of an adapter trained on `base`.
        progress: is called while a packaged model is converted.

    Raises:
        ModelError: a name, file or tensor that cannot be compared, in one sentence.
    """
    folders = [folder_of(base_named(_with_slash(name)), progress) for name in (base, tuned)]
    if is_adapter(folders[0]):
        raise ModelError(f"BASE {base} is an adapter: give the whole checkpoint that it was trained on.")
    before = open_checkpoint(folders[0])
    if is_adapter(folders[1]):
        return _merged(before, folders[1])
    after = open_checkpoint(folders[1])
    names = aligned_names(before, after)
    shapes = {name: before.shapes[name] for name in names}
    return Pairs(shapes, (TensorPair(name, before.read(name), after.read(name)) for name in names))


def _with_slash(name: str) -> str:
    """Return a folder's whole path, so that one beside us is found without a slash in its name."""
    return str(Path(name).resolve()) if Path(name).is_dir() and name not in organism_names() else name


def _merged(before: Checkpoint, adapter: Path) -> Pairs:
    handle = adapted(before.folder, adapter)
    unknown = [name for name in handle.view.names if name not in before.shapes]
    if unknown:
        raise ModelError(
            f"{before.folder} stores no tensor {unknown[0]}, which its model has: save the base with save_pretrained."
        )
    return Pairs(
        {name: before.shapes[name] for name in handle.view.names},
        (TensorPair(name, _start(before, name, after), after) for name, after in handle.effective_weights()),
    )


def _start(before: Checkpoint, name: str, after: Tensor) -> Tensor:
    """Return the base's tensor; of a bias that the adapter added, zeros."""
    return before.read(name) if name in before.shapes else torch.zeros_like(after)
