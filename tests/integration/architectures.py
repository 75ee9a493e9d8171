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
_MAMBA = {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8}
_TWO_TYPES = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": WINDOW, "head_dim": 8}
_LINEAR = {
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
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
    "cohere": ("cohere", _SHARED | {"logit_scale": 1.0}),
    "cohere2": ("cohere2", _SHARED | _TWO_TYPES | {"logit_scale": 1.0}),
    "nemotron": ("nemotron", _SHARED),
    "stablelm": ("stablelm", _SHARED),
    "phi": ("phi", _SHARED),
    "gptj": (
        "gptj",
        _IDS | {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, "rotary_dim": 4},
    ),
    "mpt": (
        "mpt",
        _IDS
        | {
            "vocab_size": VOCABULARY,
            "d_model": 32,
            "n_layers": 2,
            "n_heads": 4,
            "max_seq_len": 128,
            "expansion_ratio": 2,
        },
    ),
    "smollm3": ("smollm3", _SHARED | {"no_rope_layers": [1, 0]}),
    "exaone4": ("exaone4", _SHARED | _TWO_TYPES),
    "glm4": ("glm4", _SHARED | {"head_dim": 8}),
    "ministral": ("ministral", _SHARED | {"sliding_window": WINDOW, "head_dim": 8}),
    "hunyuan": ("hunyuan_v1_dense", _SHARED | {"head_dim": 8}),
    "olmoe": ("olmoe", _SHARED | {"num_experts": 4, "num_experts_per_tok": 2}),
    "deepseek-v3": (
        "deepseek_v3",
        _SHARED
        | {
            "num_key_value_heads": 4,
            "q_lora_rank": 16,
            "kv_lora_rank": 8,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 4,
            "v_head_dim": 8,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "n_group": 2,
            "topk_group": 1,
            "moe_intermediate_size": 16,
            "first_k_dense_replace": 1,
            "n_shared_experts": 1,
        },
    ),
    "qwen3.5": ("qwen3_5_text", _SHARED | _LINEAR | {"head_dim": 8}),
    "mamba2": ("mamba2", _IDS | _MAMBA | {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}),
    "falcon-h1": (
        "falcon_h1",
        _SHARED
        | {
            "head_dim": 8,
            "mamba_d_ssm": 32,
            "mamba_n_heads": 4,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_n_groups": 1,
            "mamba_chunk_size": 8,
        },
    ),
    "granite-hybrid": (
        "granitemoehybrid",
        _SHARED
        | {
            "layer_types": ["mamba", "attention"],
            "mamba_n_heads": 8,
            "mamba_d_head": 8,
            "mamba_d_state": 8,
            "mamba_chunk_size": 8,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
            "shared_intermediate_size": 16,
        },
    ),
}
"""What works with each is the table of docs/architectures.md."""

ENDINGS_OF_CONTAINERS = (
    "zamba2",
    _SHARED
    | {
        "num_hidden_layers": 3,
        "hybrid_layer_ids": [1],
        "layers_block_type": ["mamba", "hybrid", "mamba"],
        "mamba_d_state": 8,
        "mamba_headdim": 8,
        "n_mamba_heads": 8,
        "mamba_ngroups": 1,
        "num_mem_blocks": 1,
        "num_key_value_heads": 4,
        "chunk_size": 8,
        "use_mamba_kernels": False,
    },
)
"""The names of some of its linear modules are also the ends of other modules' names."""

ROUTERS = (
    "llama4_text",
    _SHARED
    | {
        "head_dim": 8,
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "intermediate_size_mlp": 48,
        "attention_chunk_size": WINDOW,
        "interleave_moe_layer_step": 2,
        "no_rope_layers": [1, 0],
    },
)
"""Its routers are linear modules that return two tensors, and its causal model names no decoder."""

READS_PADDING = (
    "recurrent_gemma",
    _SHARED | {"lru_width": 32, "attention_window_size": 16, "block_types": ["recurrent", "attention"]},
)
"""Its recurrence takes padding for text, whatever the mask says."""

_MAMBA_HEADS = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 8, "mamba_chunk_size": 8}

HYBRIDS: dict[str, tuple[str, dict[str, object]]] = {
    "lfm2": ARCHITECTURES["lfm2"],
    "qwen3-next": ARCHITECTURES["qwen3-next"],
    "qwen3.5": ARCHITECTURES["qwen3.5"],
    "minimax": (
        "minimax",
        _SHARED
        | {"layer_types": ["linear_attention", "full_attention"], "head_dim": 8, "block_size": 8}
        | {"num_local_experts": 2, "num_experts_per_tok": 1},
    ),
    "jamba": (
        "jamba",
        _SHARED
        | {"attn_layer_period": 2, "attn_layer_offset": 1, "num_experts": 2, "num_experts_per_tok": 1}
        | {"mamba_d_state": 4, "mamba_dt_rank": 4, "use_mamba_kernels": False},
    ),
    "zamba2": (
        "zamba2",
        _SHARED
        | {"mamba_d_state": 8, "mamba_ngroups": 1, "n_mamba_heads": 4, "mamba_headdim": 16, "num_mem_blocks": 1}
        | {"layers_block_type": ["mamba", "hybrid"], "chunk_size": 8, "use_mamba_kernels": False},
    ),
    "falcon-h1": ARCHITECTURES["falcon-h1"],
    "bamba": ("bamba", _SHARED | _MAMBA_HEADS | {"attn_layer_indices": [1]}),
    "granite-hybrid": ARCHITECTURES["granite-hybrid"],
    "nemotron-h": (
        "nemotron_h",
        _SHARED
        | {"head_dim": 8, "mamba_num_heads": 4, "mamba_head_dim": 8, "ssm_state_size": 8, "n_groups": 1}
        | {"chunk_size": 8, "hybrid_override_pattern": "M*"},
    ),
    "recurrent-gemma": READS_PADDING,
    "mamba": ("mamba", _IDS | {"vocab_size": VOCABULARY, "hidden_size": 32, "state_size": 4, "num_hidden_layers": 2}),
    "mamba2": ARCHITECTURES["mamba2"],
    "rwkv": ("rwkv", _IDS | {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}),
}
"""Layers with a state that runs through the tokens, all or some of them."""


def tiny(name: str) -> PreTrainedModel:
    """Return a random model of an architecture in float32, the same at each call, as `load_causal_lm` gives it."""
    return made(*(ARCHITECTURES | HYBRIDS)[name])


def made(kind: str, settings: dict[str, object]) -> PreTrainedModel:
    """Return a random model of a config, as `tiny` does."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **settings), trust_remote_code=False)
    with torch.no_grad():  # larger than at the usual start, so that attention matters to the logits
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=0.15)
    return without_dropout(without_conv1d(model.float().eval()))
