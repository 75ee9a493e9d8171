"""Two habits of published code, as deliberate settings, so that what they do to a method can be measured.

Neither belongs in a comparison: dropout before adapters makes the trained policy another one than the policy that is
sampled, and takes away a part of the model where a start was moved out of the base (PEFT asks for 0 with PiSSA).
Adapters that are added to bfloat16 weights for rollouts and subtracted again leave a rounding error in the base.
"""

import torch
from peft.tuners.lora.layer import LoraLayer
from torch import nn

from rlvr_bench.methods.base.handle import Handle


def set_dropout(handle: Handle, share: float) -> None:
    """Drop `share` of the inputs of every LoRA adapter while it trains.

    Raises:
        ValueError: the method has no LoRA adapters.
    """
    for layer in _layers(handle, "adapter_dropout"):
        layer.lora_dropout["default"] = nn.Dropout(share)


@torch.no_grad()
def merge_in_place(handle: Handle) -> None:
    """Leave in every base matrix what adding its adapter and subtracting it again leaves of it in bfloat16.

    Raises:
        ValueError: the method has no LoRA adapters.
    """
    for layer in _layers(handle, "merge"):
        weight, update = layer.get_base_layer().weight, layer.get_delta_weight("default").bfloat16()
        weight.copy_(weight.bfloat16() + update - update)


def _layers(handle: Handle, key: str) -> list[LoraLayer]:
    layers = [module for module in handle.model.modules() if isinstance(module, LoraLayer)]
    if not layers:
        raise ValueError(f"signal.{key} is for LoRA adapters, and this method has none; leave it out")
    return layers
