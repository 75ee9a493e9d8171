"""A trained probe on disk: safetensors and its settings, in the content-addressed cache."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from rlvr_bench.record.atomic import replace_whole, write_whole
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.errors import RecordError
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.settings import ScorerSettings
from rlvr_bench.thinking.training import Fit

TENSORS, FIT, SETTINGS = "probe.safetensors", "fit.json", "probe.json"


def probe_folder(cell_id: str) -> Path:
    """Return where the probe is kept that was trained with a cell's model, if the model was to be kept."""
    return cache_dir() / "cells" / cell_id / "probe"


def save(probe: Probe, fit: Fit | None, settings: ScorerSettings, folder: Path) -> None:
    """Write what was learnt and how that went, whole or not at all.

    The settings come last, so that a folder with them is complete.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in probe.trained().items()}
    replace_whole(folder / TENSORS, partial(save_file, tensors))
    if fit is not None:
        write_whole(folder / FIT, json.dumps(asdict(fit)))
    write_whole(folder / SETTINGS, settings.model_dump_json(indent=1) + "\n")


def is_saved(folder: Path) -> bool:
    """Whether `save` has written a probe into the folder."""
    return (folder / SETTINGS).is_file()


def saved_fit(folder: Path) -> Fit | None:
    """Return how the training of the probe in the folder went; None for a folder from before that was kept."""
    path = folder / FIT
    return Fit(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def load(base: PreTrainedModel, folder: Path) -> Probe | None:
    """The probe that `save` wrote, on the base it was trained on; None where there is none.

    Raises:
        RecordError: the file is broken or belongs to another model.
    """
    if not is_saved(folder):
        return None
    settings = ScorerSettings.model_validate(json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
    probe = Probe.of(base, settings)
    try:
        tensors = load_file(folder / TENSORS)
    except (OSError, SafetensorError) as error:
        raise RecordError(f"{folder / TENSORS} is no whole safetensors file ({error}); delete the folder") from error
    own = probe.trained()
    misfits = sorted(tensors.keys() ^ own.keys()) + [
        n for n in own if n in tensors and own[n].shape != tensors[n].shape
    ]
    if misfits:
        raise RecordError(f"{folder / TENSORS} does not fit this model at {misfits[0]!r}; delete the folder")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])
    return probe
