"""Tiny GGUF files, written from models of transformers the way that llama.cpp's converter writes them."""

from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM, PreTrainedModel
from transformers.convert_slow_tokenizer import bytes_to_unicode

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "sliding_window": 8,
    "rms_norm_eps": 1e-5,
}
OTHER_SIZES = {
    "head_dim": 32,
    "query_pre_attn_scalar": 32,
    "attn_logit_softcapping": 20.0,
    "final_logit_softcapping": 5.0,
}
"""Of the families whose files say them."""

FAMILIES = {
    "llama": ("llama", {"rope_theta": 5e4, "tie_word_embeddings": False}),
    "qwen2": ("qwen2", {"tie_word_embeddings": True}),
    "qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "gemma": ("gemma", {"head_dim": 32, "num_key_value_heads": 1}),
    "gemma2": ("gemma2", OTHER_SIZES),
    "gemma3": ("gemma3_text", {"head_dim": 32, "query_pre_attn_scalar": 32}),
    "phi3": ("phi3", {"pad_token_id": 0, "original_max_position_embeddings": 128, "partial_rotary_factor": 0.5}),
    "olmo2": ("olmo2", {"tie_word_embeddings": False}),
    "granite": (
        "granite",
        {
            "attention_multiplier": 0.3,
            "embedding_multiplier": 2.0,
            "residual_multiplier": 0.5,
            "logits_scaling": 4.0,
            "tie_word_embeddings": True,
        },
    ),
    "starcoder2": ("starcoder2", {"sliding_window": None, "norm_epsilon": 1e-4}),
    "stablelm": (
        "stablelm",
        {"use_parallel_residual": True, "use_qkv_bias": True, "partial_rotary_factor": 0.25, "layer_norm_eps": 1e-4},
    ),
}

TOKENS = [*bytes_to_unicode().values(), "th", "<|end|>", "<|turn|>", "<pad>"]
END, TURN, PAD = len(TOKENS) - 3, len(TOKENS) - 2, len(TOKENS) - 1
CHAT = "{% for m in messages %}{{ m['content'] }}<|turn|>{% endfor %}"


def random_model(family: str) -> PreTrainedModel:
    """A model of a family, every parameter random, norms and biases too."""
    kind, own = FAMILIES[family]
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**SIZES, "vocab_size": len(TOKENS), **own})
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.2)
    return model


def write(
    model: PreTrainedModel,
    family: str,
    path: Path,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    head: np.ndarray | None = None,
) -> Path:
    """Write a model; matrices are stored as `kind`, and a `head` of its own beside a tied embedding."""
    writer, config = gguf.GGUFWriter(path, family), model.config
    _metadata(writer, family, config)
    architecture = next(each for each, title in gguf.MODEL_ARCH_NAMES.items() if title == family)
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, parameter in model.named_parameters():
        module, _, suffix = name.rpartition(".")
        values = _as_llama_cpp(family, name, parameter.detach().numpy(), config)
        _add(writer, f"{names.get_name(module)}.{suffix}", values, kind)
    if head is not None:
        _add(writer, "output.weight", head, gguf.GGMLQuantizationType.F16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, name: str, values: np.ndarray, kind: gguf.GGMLQuantizationType) -> None:
    if values.ndim < 2 or kind == gguf.GGMLQuantizationType.F32:
        writer.add_tensor(name, np.ascontiguousarray(values))
    else:
        writer.add_tensor(name, gguf.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)


def _as_llama_cpp(family: str, name: str, values: np.ndarray, config) -> np.ndarray:
    if family.startswith("gemma") and name.endswith("norm.weight"):
        return values + 1
    for part, heads in (("q_proj", config.num_attention_heads), ("k_proj", config.num_key_value_heads)):
        if family in ("llama", "granite") and part in name:
            halves = values.reshape(heads, 2, len(values) // heads // 2, *values.shape[1:])
            return halves.swapaxes(1, 2).reshape(values.shape)
    return values


def _metadata(writer: gguf.GGUFWriter, family: str, config) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    _of_the_family(writer, family, config)
    theta = config.rope_parameters.get("full_attention", config.rope_parameters)["rope_theta"]
    writer.add_rope_freq_base(theta)
    if family == "llama":
        writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    if family in ("qwen3", "gemma", "gemma2", "gemma3"):
        writer.add_key_length(config.head_dim)
    if family in ("gemma2", "gemma3"):
        writer.add_sliding_window(config.sliding_window)
    if family == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([1] * (len(TOKENS) - 3) + [3] * 3)
    writer.add_token_merges(["t h"])
    writer.add_eos_token_id(END)
    writer.add_eot_token_id(TURN)
    writer.add_pad_token_id(PAD)
    writer.add_chat_template(CHAT)


def _of_the_family(writer: gguf.GGUFWriter, family: str, config) -> None:
    """Write what other families' files do not have."""
    if family in ("starcoder2", "stablelm"):
        writer.add_layer_norm_eps(config.norm_epsilon if family == "starcoder2" else config.layer_norm_eps)
    else:
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if family in ("phi3", "stablelm"):
        part = config.rope_parameters["partial_rotary_factor"]
        writer.add_rope_dimension_count(int(part * config.hidden_size // config.num_attention_heads))
    if family == "phi3":
        writer.add_sliding_window(config.sliding_window)
        writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
    if family == "stablelm":
        writer.add_parallel_residual(config.use_parallel_residual)
    if family == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
