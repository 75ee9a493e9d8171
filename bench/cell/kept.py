"""What is kept of a cell in the cache, found by the cell id: its trained model, and what a tracker wrote."""

import shutil
from pathlib import Path

from transformers import PreTrainedModel

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.leftovers import temporary_folder_beside


def weights_folder(cell_id: str) -> Path:
    """Return where a cell's trained model is kept, if that was requested."""
    return cache_dir() / "cells" / cell_id / "model"


def tracked_folder(cell_id: str) -> Path:
    """Return where TensorBoard's files of a cell are kept, if that was requested."""
    return cache_dir() / "cells" / cell_id / "tensorboard"


def keep_weights(cell: Cell, model: PreTrainedModel) -> None:
    """Write a trained model, merged where it can be, as safetensors; whole or not at all."""
    folder = weights_folder(cell.id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder_beside(folder) as temporary:
        model.save_pretrained(temporary)
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
