"""What a method is checked on: a tiny model in memory, a fixed batch, and synthetic prompts for calibration.

The weights are drawn wide enough for every layer to matter to the logits. Llama has untied embeddings and no biases,
Qwen2 tied ones and biases on q, k and v.
"""

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, Qwen2Config, Qwen2ForCausalLM

from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method

Kind = tuple[str, torch.dtype]
KINDS: tuple[Kind, ...] = (
    ("llama", torch.float32),
    ("qwen2", torch.bfloat16),
    ("qwen2", torch.float32),
    ("llama", torch.bfloat16),
)
"""Architecture and dtype of the models; the first two have each of both once."""

SEED = 7
SIZE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 64,
    "max_position_embeddings": 128,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 5e-2}
"""Largest |logit difference| over max(1, largest |logit|) that rounding explains."""


@dataclass(frozen=True)
class Case:
    """One method on one model."""

    method: Method
    architecture: str
    dtype: torch.dtype

    @property
    def label(self) -> str:
        """Architecture and dtype, as in "llama float32"."""
        return f"{self.architecture} {str(self.dtype).removeprefix('torch.')}"

    @property
    def tolerance(self) -> float:
        """Relative logit error that rounding explains."""
        return TOLERANCES[self.dtype]

    def base(self) -> PreTrainedModel:
        """Return a fresh copy of the base; always the same weights. Buffers stay float32, as in a loaded checkpoint."""
        model = copy.deepcopy(_model(self.architecture))
        for parameter in model.parameters():
            parameter.data = parameter.data.to(self.dtype)
        return model

    def attach(self, base: PreTrainedModel | None = None, seed: int = SEED, method: Method | None = None) -> Handle:
        """Attach the method (or a variant of it) to `base` (or a fresh one)."""
        config = method or self.method
        return config.attach(base or self.base(), seed, prompts() if config.needs_calibration else None)


@cache
def _model(architecture: str) -> PreTrainedModel:
    """Return the base in float32."""
    model: PreTrainedModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if architecture == "llama":
            model = LlamaForCausalLM(LlamaConfig(**SIZE))
        else:
            model = Qwen2ForCausalLM(Qwen2Config(**SIZE, tie_word_embeddings=True))
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


def batch() -> Tensor:
    """Return the token ids (4, 16) of every training step."""
    return torch.randint(3, SIZE["vocab_size"], (4, 16), generator=torch.Generator().manual_seed(1))


def prompts() -> list[list[int]]:
    """Return 16 token sequences of 8 to 24 tokens for initialisations that look at data."""
    generator = torch.Generator().manual_seed(2)
    lengths = torch.randint(8, 25, (16,), generator=generator).tolist()
    return [torch.randint(3, SIZE["vocab_size"], (length,), generator=generator).tolist() for length in lengths]
