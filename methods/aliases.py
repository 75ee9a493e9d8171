"""Names of methods with some of their settings given, such as `mask-safe`: what stands on leaderboards under a name of
its own and needs no code. A key that is set beside an alias has the last word.
"""

from collections.abc import Mapping
from typing import Any

ALIASES: Mapping[str, Mapping[str, Any]] = {
    "full-linear": {"type": "full", "train": "linear"},
    "full-middle-layers": {"type": "full", "layers": "middle"},
    "geora-random": {"type": "geora", "start": "random"},
    "geora-tail": {"type": "geora", "start": "tail"},
    "lora-attention": {"type": "lora", "targets": "attention"},
    "lora-mlp": {"type": "lora", "targets": "mlp"},
    "lora-null-frozen": {"type": "lora-null", "freeze_down": True},
    "lora-rank-1": {"type": "lora", "rank": 1},
    "lora-rank-8": {"type": "lora", "rank": 8},
    "lora-rank-32": {"type": "lora", "rank": 32},
    "lora-rank-64": {"type": "lora", "rank": 64},
    "mask-fisher": {"type": "mask", "select": "fisher"},
    "mask-low-magnitude": {"type": "mask", "select": "low-magnitude"},
    "mask-non-principal": {"type": "mask", "select": "non-principal"},
    "mask-principal": {"type": "mask", "select": "principal"},
    "mask-random": {"type": "mask", "select": "random"},
    "mask-random-part-1": {"type": "mask", "select": "random", "density": 0.01, "part": 1},
    "mask-random-part-2": {"type": "mask", "select": "random", "density": 0.01, "part": 2},
    "mask-random-part-3": {"type": "mask", "select": "random", "density": 0.01, "part": 3},
    "mask-random-part-4": {"type": "mask", "select": "random", "density": 0.01, "part": 4},
    "mask-safe": {"type": "mask", "select": "safe"},
    "mask-top-magnitude": {"type": "mask", "select": "top-magnitude"},
    "pissa-rank-8": {"type": "pissa", "rank": 8},
    "pissa-rank-32": {"type": "pissa", "rank": 32},
    "pissa-rank-64": {"type": "pissa", "rank": 64},
    "rslora": {"type": "lora", "rslora": True},
    "super-tuning-bottom": {"type": "super-tuning", "select": "bottom"},
}
"""Alias -> the settings that it stands for, the type of its method first."""


def expanded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `settings`, whose type may be an alias, with the type and the settings that the alias stands for."""
    alias = ALIASES.get(str(settings["type"]))
    return dict(settings) if alias is None else {**alias, **settings, "type": alias["type"]}
