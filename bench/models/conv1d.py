"""GPT-2's `Conv1D` as the linear layer that it is: its weight is stored as (in, out), every other model's as (out, in).

Models are loaded with `nn.Linear` in its place, so that a mask, a decomposition or an adapter means the same on every
decoder. What is saved has the stored layout again, and transformers reads it back.
"""

from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D


class StoredTransposed(nn.Linear):
    """`nn.Linear` whose weight is (in, out) in every state dict that it writes or reads."""

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = destination[f"{prefix}weight"].T.contiguous()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        name = f"{prefix}weight"
        turned = {name: state_dict[name].T} if name in state_dict else {}
        super()._load_from_state_dict(state_dict | turned, prefix, *rest)


def without_conv1d(model: PreTrainedModel) -> PreTrainedModel:
    """Put a linear layer in place of every `Conv1D` of `model`, and return it; other models are left as they are."""
    for path, module in list(model.named_modules()):
        if isinstance(module, Conv1D):
            model.set_submodule(path, _linear(module))
    return model


def _linear(layer: Conv1D) -> StoredTransposed:
    inputs, outputs = layer.weight.shape
    linear = StoredTransposed(inputs, outputs, device="meta")
    weight: Tensor = layer.weight.detach().T.contiguous()
    linear.weight = nn.Parameter(weight, layer.weight.requires_grad)
    linear.bias = layer.bias
    return linear.train(layer.training)
