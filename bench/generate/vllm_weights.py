"""What both ways to vLLM share: which models it has a place for, and the seed of a row."""

from typing import Any

import torch
from transformers import PreTrainedModel


def parameter_that_the_base_lacks(model: PreTrainedModel) -> str | None:
    """Return a parameter that `model` has and its config alone does not make; None if there is none."""
    known = _names(type(model), model.name_or_path, model.config)
    return next((name for name, _ in model.named_parameters() if name not in known), None)


def seed_of(key: int) -> int:
    """Return a row's key as a seed of 63 bits."""
    return key >> 1


_known: dict[tuple[type, str], frozenset[str]] = {}


def _names(kind: type[PreTrainedModel], folder: str, config: Any) -> frozenset[str]:
    if (kind, folder) not in _known:
        with torch.device("meta"):
            plain = kind._from_config(config)
        _known[kind, folder] = frozenset(name for name, _ in plain.named_parameters())
    return _known[kind, folder]
