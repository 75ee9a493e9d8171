"""Tiny random models and settings that the tests of methods share."""

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

SIZE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

METHODS: list[dict[str, Any]] = [
    {"type": "full"},
    {"type": "full", "train": "linear"},
    {"type": "lora", "rank": 4},
    {"type": "lora", "rank": 4, "rslora": True},
    {"type": "pissa", "rank": 4},
    {"type": "pissa", "rank": 4, "svd_iterations": 8},
    *[
        {"type": "mask", "select": select, "density": 0.3}
        for select in ("random", "principal", "non-principal", "low-magnitude", "safe")
    ],
]

# None of these types has any code of its own in the package.
PEFT_ONLY: list[dict[str, Any]] = [
    {"type": "peft", "peft_type": "C3A", "block_size": 8},
    {"type": "peft", "peft_type": "VERA"},
    {"type": "peft", "peft_type": "LOHA", "r": 2},
    {"type": "peft", "peft_type": "HRA", "r": 2},
    {"type": "peft", "peft_type": "OFT", "oft_block_size": 4, "r": 0},
    {"type": "peft", "peft_type": "IA3", "feedforward_modules": ["down_proj"]},
    {"type": "peft", "peft_type": "lora", "r": 4, "use_dora": True},
    {"type": "peft", "peft_type": "LORA", "r": 4, "init_lora_weights": "olora"},
    {"type": "peft", "peft_type": "SHIRA", "r": 2},
    {"type": "peft", "peft_type": "LN_TUNING"},
    {"type": "peft", "peft_type": "FOURIERFT", "n_frequency": 20},
    {"type": "peft", "peft_type": "OSF"},
]


def label(settings: dict[str, Any]) -> str:
    return "-".join(str(value) for value in settings.values())


def llama(seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**SIZE))


def tied_qwen(seed: int = 0) -> PreTrainedModel:
    """Qwen2 with biases on q, k, v and tied embeddings."""
    torch.manual_seed(seed)
    model = Qwen2ForCausalLM(Qwen2Config(**SIZE, tie_word_embeddings=True))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def batch(seed: int = 1) -> torch.Tensor:
    return torch.randint(3, 64, (4, 8), generator=torch.Generator().manual_seed(seed))


def train(handle: Any, steps: int = 3, learning_rate: float = 1e-2, weight_decay: float = 0.1) -> torch.optim.Optimizer:
    optimizer = torch.optim.AdamW(handle.parameter_groups(learning_rate, weight_decay))
    ids = batch()
    handle.model.train()
    for step in range(steps):
        handle.model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        handle.after_step(step)
        optimizer.zero_grad()
    return optimizer
