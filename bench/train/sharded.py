"""A trained model that is sharded over the processes of a cell: FSDP2, through accelerate (`run --shard`).

What is sharded is a copy that learns: its weights, gradients and optimizer state. The handle keeps whole weights in
each process, since rollouts, scores and geometry need them, and takes over the copy's after every optimizer step.
"""

import copy
import os
from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.methods.base.handle import Handle


def asked() -> bool:
    """Whether this cell's model is to be sharded: accelerate's own variable, which the launcher sets."""
    return os.environ.get("ACCELERATE_USE_FSDP") == "true"


class ShardedCopy(TrainerCallback):
    """The copy of a handle's model that is sharded and trained, with its optimizer."""

    def __init__(
        self, handle: Handle, optimizer: torch.optim.Optimizer, interventions: Sequence[Intervention[Any]]
    ) -> None:
        """Copy model and optimizer. Raises ValueError for a method or an intervention that cannot be sharded."""
        if not handle.method.shardable:
            raise ValueError(f"{handle.method.type!r} acts on whole tensors while it trains; leave --shard out")
        if any(each.settings.change_of_base() is None for each in interventions):
            raise ValueError("an intervention acts on the trained model itself, which --shard copies; leave it out")
        self._handle, self._whole = handle, optimizer
        # Together, so that the copied optimizer holds the copied tensors.
        self.model, self.optimizer = copy.deepcopy((handle.model, optimizer))

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Gather the trained tensors, and write them into the handle's."""
        trained = dict(self.model.named_parameters())
        with torch.no_grad():
            for name, own in self._handle.trainable():
                own.copy_(whole(trained[name]))

    def whole_optimizer(self) -> torch.optim.Optimizer:
        """Return the optimizer over the handle's own tensors, with the gathered state; all processes call it."""
        for group, sharded in zip(self._whole.param_groups, self.optimizer.param_groups, strict=True):
            for own, shard in zip(group["params"], sharded["params"], strict=True):
                state = self.optimizer.state[shard]
                self._whole.state[own] = {name: _on_cpu(value) for name, value in state.items()}
        return self._whole


def whole(tensor: Tensor) -> Tensor:
    """Return a tensor that may be sharded as a plain one; a collective operation where it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def tell_accelerate(trainer: Trainer) -> None:
    """Have a trainer's accelerate shard on a CPU too, as it does by itself on GPUs: there only to be tested."""
    state = trainer.accelerator.state
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, FullyShardedDataParallelPlugin()
        trainer.is_fsdp_enabled = True


def _on_cpu(value: Any) -> Any:
    return whole(value).cpu() if torch.is_tensor(value) else value
