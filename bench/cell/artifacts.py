"""What is kept of a cell in the cache, found by the cell id: its trained model, and what a tracker wrote."""

from pathlib import Path

from transformers import PreTrainedTokenizerBase

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.record.atomic import put_folder
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.leftovers import temporary_folder_beside


def weights_folder(cell_id: str) -> Path:
    """Return where a cell's trained model is kept, if that was requested: a folder that transformers loads."""
    return cache_dir() / "cells" / cell_id / "model"


def adapter_folder(cell_id: str) -> Path:
    """Return where its adapter is kept, if PEFT has its method: a folder that PEFT loads."""
    return cache_dir() / "cells" / cell_id / "adapter"


def tracked_folder(cell_id: str) -> Path:
    """Return where TensorBoard's files of a cell are kept, if that was requested."""
    return cache_dir() / "cells" / cell_id / "tensorboard"


def keep_weights(cell: Cell, handle: Handle, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write a trained model as safetensors, each folder whole or not at all.

    What can be merged is a whole model with its tokenizer, config and generation config; what PEFT has is an adapter as
    well. A method that cannot be merged leaves only the adapter, or what its own model saves.
    """
    folder = adapter_folder(cell.id)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder_beside(folder) as temporary:
        has_adapter = handle.save_adapter(temporary)
        if has_adapter:
            tokenizer.save_pretrained(temporary)
            put_folder(temporary, folder)
    if has_adapter and not handle.mergeable:
        return
    with temporary_folder_beside(weights_folder(cell.id)) as temporary, handle.rollout_weights() as model:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        put_folder(temporary, weights_folder(cell.id))
