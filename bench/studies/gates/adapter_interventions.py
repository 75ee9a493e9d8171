"""Interventions on LoRA adapters that published code makes silently: input dropout, and merging in place in bfloat16.

Neither belongs in a comparison: dropout before adapters makes the trained policy another one than the policy that is
sampled, and takes away a part of the model where a start was moved out of the base (PEFT asks for 0 with PiSSA).
Adapters that are added to bfloat16 weights for rollouts and subtracted again leave a rounding error in the base.
"""

import torch
from peft.tuners.lora.layer import LoraLayer
from torch import nn

from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.studies.gates.interventions import AdapterDropout, MergeInPlace


class DroppedInputs(Intervention[AdapterDropout]):
    """Drops a share of the inputs of every LoRA adapter while it trains."""

    def training_begins(self, handle: Handle) -> None:
        """See `Intervention`; raises ValueError when the method has no LoRA adapters."""
        for layer in _layers(handle, "adapter_dropout"):
            layer.lora_dropout["default"] = nn.Dropout(self.settings.share)


class MergedInPlace(Intervention[MergeInPlace]):
    """Leaves in every base matrix what adding its adapter and subtracting it again leaves of it in bfloat16."""

    @torch.no_grad()
    def rollout_ended(self, handle: Handle) -> None:
        """See `Intervention`; raises ValueError when the method has no LoRA adapters."""
        for layer in _layers(handle, "merge_in_place"):
            weight, update = layer.get_base_layer().weight, layer.get_delta_weight("default").bfloat16()
            weight.copy_(weight.bfloat16() + update - update)


def _layers(handle: Handle, name: str) -> list[LoraLayer]:
    layers = [module for module in handle.model.modules() if isinstance(module, LoraLayer)]
    if not layers:
        raise ValueError(f"intervention {name} is for LoRA adapters, and this method has none; leave it out")
    return layers
