"""The one place where weights become a model: safetensors only, and no code that comes with a checkpoint by default."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from rlvr_bench.models.conv1d import without_conv1d
from rlvr_bench.models.dropout import without_dropout


def load_causal_lm(folder: Path, *, trust_remote_code: bool = False) -> PreTrainedModel:
    """Return the decoder in `folder`, in float32: its linear layers as `nn.Linear`, without dropout.

    The flag is always passed on: left out, transformers asks on stdin whether to run a checkpoint's code.

    Raises:
        OSError, ValueError: the folder holds no model that transformers knows, or only pickled weights.
    """
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=trust_remote_code
    )
    return without_dropout(without_conv1d(model))


def skeleton(folder: Path) -> PreTrainedModel:
    """Return the modules of the decoder in `folder` without its weights, which are not read.

    Raises:
        OSError, ValueError: the folder holds no config that transformers knows.
    """
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    return without_conv1d(model)
