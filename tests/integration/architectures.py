"""Tiny random models of many architectures, as transformers ships them: windows, biases, caps, convolutions, experts.

Sizes are the smallest that keep what is special about each: a window of 8 is passed by every prompt of the tests.
"""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from rlvr_bench.models.conv1d import without_conv1d
from rlvr_bench.models.dropout import without_dropout

VOCABULARY = 112
WINDOW = 8
_SHARED = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GPT2 = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "n_ctx": 128}
_IDS = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "decoder_sparse_step": 1}

ARCHITECTURES: dict[str, tuple[str, dict[str, object]]] = {
    "llama": ("llama", _SHARED),
    "qwen2": ("qwen2", _SHARED | {"tie_word_embeddings": True}),
    "qwen2-window": (
        "qwen2",
        _SHARED | {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1},
    ),
    "qwen3": ("qwen3", _SHARED | {"head_dim": 8}),
    "qwen3-moe": ("qwen3_moe", _SHARED | _EXPERTS | {"head_dim": 8}),
    "mistral": ("mistral", _SHARED | {"sliding_window": WINDOW, "head_dim": 8}),
    "mixtral": ("mixtral", _SHARED | {"num_local_experts": 4, "sliding_window": WINDOW}),
    "phi3": ("phi3", _SHARED | {"sliding_window": WINDOW}),
    "starcoder2": ("starcoder2", _SHARED | {"sliding_window": WINDOW}),
    "gemma2": ("gemma2", _SHARED | {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3_text", _SHARED | {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}),
    "olmo2": ("olmo2", _SHARED),
    "olmo3": ("olmo3", _SHARED | {"sliding_window": WINDOW}),
    "granite": ("granite", _SHARED | {"attention_multiplier": 0.35, "residual_multiplier": 0.22}),
    "gpt2": ("gpt2", _GPT2 | _IDS),
    "gpt-neox": ("gpt_neox", {name: value for name, value in _SHARED.items() if name != "num_key_value_heads"}),
    "opt": (
        "opt",
        _IDS
        | {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "ffn_dim": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 128,
            "word_embed_proj_dim": 32,
        },
    ),
    "bloom": ("bloom", _IDS | {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "falcon-alibi": (
        "falcon",
        _IDS
        | {
            "vocab_size": VOCABULARY,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "alibi": True,
            "new_decoder_architecture": False,
        },
    ),
    "lfm2": ("lfm2", _SHARED | {"layer_types": ["conv", "full_attention"], "block_ff_dim": 48}),
    "qwen3-next": (
        "qwen3_next",
        _SHARED
        | _EXPERTS
        | {
            "head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
            "linear_num_value_heads": 2,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "shared_expert_intermediate_size": 16,
        },
    ),
    "gpt-oss": (
        "gpt_oss",
        _SHARED | {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": WINDOW},
    ),
}


def tiny(name: str) -> PreTrainedModel:
    """Return a random model of an architecture in float32, the same at each call, as `load_causal_lm` gives it."""
    kind, settings = ARCHITECTURES[name]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings), trust_remote_code=False)
    with torch.no_grad():  # larger than at the usual start, so that attention matters to the logits
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.15)
    return without_dropout(without_conv1d(model.float().eval()))
