"""Tiny random decoders and prompts that the generation and evaluation tests share."""

import copy
import random

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

VOCABULARY = 61
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 80,
    "max_position_embeddings": 256,
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN_ROPE = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32}
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}

CONFIGS = {
    "llama, tied": LlamaConfig(**SIZES, num_key_value_heads=4, tie_word_embeddings=True),
    "llama, untied, grouped queries": LlamaConfig(**SIZES, num_key_value_heads=2, tie_word_embeddings=False),
    "llama, biases, llama3 rope": LlamaConfig(
        **SIZES, num_key_value_heads=2, attention_bias=True, mlp_bias=True, rope_parameters=LLAMA3_ROPE
    ),
    "llama, yarn rope": LlamaConfig(**SIZES, num_key_value_heads=4, rope_parameters=YARN_ROPE),
    "llama, linear rope, own head size": LlamaConfig(
        **SIZES, num_key_value_heads=1, head_dim=16, rope_parameters=LINEAR_ROPE
    ),
    "qwen2": Qwen2Config(**SIZES, num_key_value_heads=2),
    "qwen2, tied": Qwen2Config(**SIZES, num_key_value_heads=4, tie_word_embeddings=True),
    "qwen3": Qwen3Config(**SIZES, num_key_value_heads=2, head_dim=16),
}
CLASSES = {LlamaConfig: LlamaForCausalLM, Qwen2Config: Qwen2ForCausalLM, Qwen3Config: Qwen3ForCausalLM}


def tiny_model(
    config_name: str = "llama, tied", seed: int = 0, deviation: float = 0.15, vocabulary: int = VOCABULARY
) -> PreTrainedModel:
    """A random model whose norms and biases are not at their initial ones and zeros."""
    config = copy.deepcopy(CONFIGS[config_name])
    config.vocab_size = vocabulary
    torch.manual_seed(seed)
    model = CLASSES[type(config)](config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, deviation)
            else:
                parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


def mixed_prompts(count: int = 9, group: int = 3, seed: int = 0) -> list[list[int]]:
    """`count` prompts of 1 to 24 tokens, each `group` times; their tokens are none of 0 to 4."""
    source = random.Random(seed)
    prompts = [[source.randrange(5, VOCABULARY) for _ in range(source.randint(1, 24))] for _ in range(count)]
    return [prompt for prompt in prompts for _ in range(group)]
