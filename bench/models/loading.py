"""The one place where weights become a model: safetensors only, and no code that comes with a checkpoint by default."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel


def load_causal_lm(folder: Path, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """Return the decoder in `folder`, in float32.

    The flag is always passed on: left out, transformers asks on stdin whether to run a checkpoint's code.

    Raises:
        OSError, ValueError: the folder holds no model that transformers knows, or only pickled weights.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=trust_remote_code
    )
    return model
