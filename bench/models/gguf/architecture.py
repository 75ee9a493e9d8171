"""The families of models that a GGUF file can hold here, one row each: what transformers calls them, and what differs.

Names of tensors come from the package gguf. A family whose tensors or settings are not all known is refused rather than
converted into another model: what a file holds and the model has no place for is an error (see `weights`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from transformers import CONFIG_MAPPING, PreTrainedConfig

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.dequantise import Array, values_of
from rlvr_bench.models.gguf.header import GgufHeader

Restore = Callable[[str, Array, PreTrainedConfig], Array]
"""From a tensor's name in the file, its values and the model's configuration to the values that transformers stores."""

SHARED = {
    "context_length": "max_position_embeddings",
    "block_count": "num_hidden_layers",
    "feed_forward_length": "intermediate_size",
    "embedding_length": "hidden_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.layer_norm_rms_epsilon": "rms_norm_eps",
    "rope.freq_base": "rope_theta",
    "vocab_size": "vocab_size",
}
"""Key of the metadata, after the architecture -> key of the configuration."""

ROPE_FACTORS = "rope_freqs.weight"
NO_PARAMETERS = (ROPE_FACTORS,)
"""Tensors of a file that are settings of the model."""

_LLAMA3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}

REQUIRED = ("context_length", "block_count", "feed_forward_length", "embedding_length", "attention.head_count")

SPECIAL = {"bos": "bos_token_id", "eos": "eos_token_id", "unknown": "unk_token_id", "padding": "pad_token_id"}
"""Special token, as `tokenizer.ggml.*_token_id` names it -> key of the configuration."""


def as_stored(name: str, values: Array, config: PreTrainedConfig) -> Array:
    """Most tensors are in the file as they are in the model."""
    return values


def rows_by_half(name: str, values: Array, config: PreTrainedConfig) -> Array:
    """Give the rows of a Llama's queries and keys their order back: llama.cpp rotates neighbours, not halves."""
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    count = next((number for part, number in heads.items() if f".{part}." in name), None)
    if count is None:
        return values
    pairs = values.reshape(count, len(values) // count // 2, 2, *values.shape[1:])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def norms_from_zero(name: str, values: Array, config: PreTrainedConfig) -> Array:
    """Take off the 1 that Gemma's norms add in the model, and llama.cpp in the file."""
    return values - 1 if name.endswith("norm.weight") else values


@dataclass(frozen=True, slots=True)
class Architecture:
    """One family; `keys` are those of its metadata beside the shared ones, `fixed` what its files do not say."""

    model_type: str
    keys: Mapping[str, str] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    restore: Restore = as_stored


_HEAD = {"attention.key_length": "head_dim"}
_GEMMA = _HEAD | {"attention.sliding_window": "sliding_window"}
_LAYER_NORM = "attention.layer_norm_epsilon"
_GRANITE = {
    "attention.scale": "attention_multiplier",
    "embedding_scale": "embedding_multiplier",
    "residual_scale": "residual_multiplier",
    "logit_scale": "logits_scaling",
}
_PHI3 = {
    "attention.sliding_window": "sliding_window",
    "rope.scaling.original_context_length": "original_max_position_embeddings",
}
_CAPS = {"attn_logit_softcapping": "attn_logit_softcapping", "final_logit_softcapping": "final_logit_softcapping"}

ARCHITECTURES = {
    "llama": Architecture("llama", {"rope.dimension_count": "head_dim"}, restore=rows_by_half),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3", _HEAD),
    "gemma": Architecture("gemma", _HEAD, {"tie_word_embeddings": True}, norms_from_zero),
    "gemma2": Architecture("gemma2", _GEMMA | _CAPS, {"tie_word_embeddings": True}, norms_from_zero),
    "gemma3": Architecture("gemma3_text", _GEMMA, {"tie_word_embeddings": True}, norms_from_zero),
    "phi3": Architecture("phi3", _PHI3),
    "olmo2": Architecture("olmo2"),
    "granite": Architecture("granite", _GRANITE, restore=rows_by_half),
    "starcoder2": Architecture("starcoder2", {_LAYER_NORM: "norm_epsilon"}),
    "stablelm": Architecture(
        "stablelm", {_LAYER_NORM: "layer_norm_eps", "use_parallel_residual": "use_parallel_residual"}
    ),
}

PARTLY_ROTATED = ("phi3", "stablelm")
"""Families that may rotate only the first part of a head."""

_WIDTH_OF_27B = {("gemma2", 46), ("gemma3", 62)}
"""Gemma's largest scale queries by width over heads, all others by the size of a head; files do not say it."""


def architecture_of(header: GgufHeader) -> Architecture:
    """Return the family of a file. Raises ModelError for one that is not known here."""
    if header.architecture not in ARCHITECTURES:
        raise ModelError(
            f"{header.path} holds a model of the architecture {header.architecture!r}; those read here are"
            f" {', '.join(ARCHITECTURES)}: save the model with save_pretrained and give that folder."
        )
    return ARCHITECTURES[header.architecture]


def model_config(header: GgufHeader) -> PreTrainedConfig:
    """Return the configuration of a file's model. Raises ModelError for a family or setting that is not known here."""
    family, own = architecture_of(header), f"{header.architecture}."
    keys = {f"{own}{key}": name for key, name in (SHARED | dict(family.keys)).items()}
    if missing := next((key for key in REQUIRED if f"{own}{key}" not in header.metadata), None):
        raise ModelError(f"{header.path} lacks {own}{missing} in its metadata: convert the model again.")
    given = {name: header.metadata[key] for key, name in keys.items() if key in header.metadata}
    if listed := next((name for name, value in given.items() if not isinstance(value, int | float)), None):
        raise ModelError(f"{header.path} gives {listed} as {given[listed]!r}, not one number for all layers.")
    given.setdefault("num_key_value_heads", given["num_attention_heads"])
    given.setdefault("vocab_size", len(header.metadata.get("tokenizer.ggml.tokens", ())))
    given |= {
        name: header.metadata[f"tokenizer.ggml.{token}_token_id"]
        for token, name in SPECIAL.items()
        if f"tokenizer.ggml.{token}_token_id" in header.metadata
    }
    given |= {"tie_word_embeddings": "output.weight" not in header.tensors} | dict(family.fixed)
    given |= _rope_scaling(header) | _query_scale(header, given) | _rotated_part(header, given)
    if header.architecture == "stablelm":
        given["use_qkv_bias"] = "blk.0.attn_q.bias" in header.tensors
    try:
        config: PreTrainedConfig = CONFIG_MAPPING[family.model_type](**given)
    except (ValueError, TypeError) as error:
        raise ModelError(f"{header.path} describes no {header.architecture} model: {_line(error)}") from error
    return config


def _rope_scaling(header: GgufHeader) -> dict[str, Any]:
    """Return how a file stretches its positions beyond those of pre-training."""
    if ROPE_FACTORS in header.tensors:
        return _llama3_scaling(header)
    own = f"{header.architecture}.rope.scaling."
    kind, factor = header.metadata.get(f"{own}type", "none"), header.metadata.get(f"{own}factor")
    if kind == "none" or factor is None:
        return {}
    if kind not in ("linear", "yarn"):
        raise ModelError(f"{header.path} scales positions by {kind!r}, not linear or yarn: give the model's folder.")
    scaling = {"rope_type": kind, "factor": factor}
    if (original := header.metadata.get(f"{own}original_context_length")) is not None:
        scaling["original_max_position_embeddings"] = original
    return {"rope_scaling": scaling}


def _llama3_scaling(header: GgufHeader) -> dict[str, Any]:
    """Return Llama 3's scaling, of which a file holds only what it comes to: a factor for each frequency."""
    factors = values_of(header, header.tensors[ROPE_FACTORS])
    theta = float(header.metadata.get(f"{header.architecture}.rope.freq_base", 10_000.0))
    scaling = {"rope_type": "llama3", "factor": float(factors.max()), **_LLAMA3}
    wavelengths = 2 * np.pi * theta ** (np.arange(len(factors)) / len(factors))
    turns = _LLAMA3["original_max_position_embeddings"] / wavelengths
    low, high = _LLAMA3["low_freq_factor"], _LLAMA3["high_freq_factor"]
    smooth = np.clip((turns - low) / (high - low), 0, 1)
    if not np.allclose(factors, 1 / ((1 - smooth) / factors.max() + smooth), rtol=1e-4):
        raise ModelError(f"{header.path} has factors of positions other than Llama 3's: give the model's folder.")
    return {"rope_scaling": scaling}


def _query_scale(header: GgufHeader, given: Mapping[str, Any]) -> dict[str, Any]:
    if header.architecture not in ("gemma2", "gemma3"):
        return {}
    width = given["hidden_size"] // given["num_attention_heads"]
    largest = (header.architecture, given["num_hidden_layers"]) in _WIDTH_OF_27B
    return {"query_pre_attn_scalar": width if largest else given.get("head_dim", width)}


def _rotated_part(header: GgufHeader, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the share of a head that is rotated, where a family may leave a part of it."""
    rotated = header.metadata.get(f"{header.architecture}.rope.dimension_count")
    if header.architecture not in PARTLY_ROTATED or rotated is None:
        return {}
    return {"partial_rotary_factor": rotated * given["num_attention_heads"] / given["hidden_size"]}


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
