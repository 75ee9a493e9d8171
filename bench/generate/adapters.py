"""LoRA adapters that an engine serves beside its base, unmerged: which methods' adapters can be, and their files."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.record.leftovers import temporary_folder

CONFIG = "adapter_config.json"
RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that vLLM can make room for."""
NOT_SERVED = {
    "use_dora": "magnitudes",
    "modules_to_save": "whole modules beside its adapters",
    "trainable_token_indices": "tokens",
    "rank_pattern": "a rank for each matrix",
    "alpha_pattern": "a scale for each matrix",
    "target_parameters": "parameters that are no linear layers",
}
"""Key of PEFT's LoraConfig -> what vLLM's LoRA has not."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A trained method's adapter: `save` writes it as a folder of PEFT, as it is at that moment."""

    save: Callable[[Path], bool]
    rank: int


def adapter_of(method: str, save: Callable[[Path], bool], changes_base: bool) -> Adapter:
    """Return the adapter of a method that vLLM can serve.

    Args:
        method: its name, for the sentence.
        save: writes the adapter into a folder; False where PEFT has none.
        changes_base: whether the method's start moved weights of the base, which the engine would not see.

    Raises:
        GenerationError: the method is no LoRA, or one with more than vLLM's.
    """
    config: dict[str, Any] = {}
    with temporary_folder() as folder:
        if save(folder):
            config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    reason = _refusal(config, changes_base)
    if reason is not None:
        raise GenerationError(f"vLLM cannot serve {method!r} as an adapter: {reason}; leave vllm_adapters out.")
    return Adapter(save, int(config["r"]))


def _refusal(config: dict[str, Any], changes_base: bool) -> str | None:
    if config.get("peft_type") != "LORA":
        return "it is no LoRA"
    if changes_base:
        return "its start changed the base"
    if config["r"] > RANKS[-1]:
        return f"its rank is above {RANKS[-1]}"
    if config.get("bias", "none") != "none":
        return "it trains biases"
    return next((f"it has {what}" for key, what in NOT_SERVED.items() if config.get(key)), None)
