"""What happens around every optimizer step of every signal: guards, the size of the update, the method's own hook."""

import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from rlvr_bench.geometry.precision import swallowed
from rlvr_bench.train import processes
from rlvr_bench.train.sharded import whole
from rlvr_bench.train.training_run import TrainingRun
from rlvr_bench.train.trajectory import Trajectory

SWALLOWED_EVERY = 5
"""Optimizer steps from one record of `swallowed` to the next."""


class StepGuard(TrainerCallback):
    """Stops before a non-finite gradient reaches the weights and when the run ends early, and measures the step."""

    def __init__(self, run: TrainingRun[Any]) -> None:
        self._run = run
        self._before: list[Tensor] = []
        self._trainable = [parameter for parameter in run.handle.model.parameters() if parameter.requires_grad]
        self._steps_before = run.meter.steps
        self._trajectory = run.meter.trajectory = run.meter.trajectory or Trajectory(self._trainable)
        self._begun = 0.0
        self.last: dict[str, float | None] = {}

    def on_step_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._begun = time.perf_counter()

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: nn.Module, **_: Any
    ) -> None:
        learning = [parameter for parameter in model.parameters() if parameter.grad is not None]
        finite = math.isfinite(_norm([parameter.grad for parameter in learning if parameter.grad is not None]))
        if not finite:
            for parameter in learning:
                parameter.grad = None
            control.should_training_stop = True
        self._before = [parameter.detach().clone() for parameter in self._trainable]
        self.last = {"non_finite": float(not finite)}

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self.last |= {"update_norm": _norm(self._moved()), "weight_norm": _norm(self._before)}
        if state.global_step % SWALLOWED_EVERY == 0:
            self.last["swallowed"] = swallowed(self._before, self._moved())
        self._trajectory.record()
        self._before = []
        self._run.handle.after_step(self._steps_before + state.global_step)

    def _moved(self) -> Iterator[Tensor]:
        """By how much the optimizer moved each trained tensor; one at a time, since all are as large as the model."""
        return (after.detach() - before for after, before in zip(self._trainable, self._before, strict=True))

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        run = self._run
        if processes.size() > 1:
            run.meter.share()
        run.meter.steps = self._steps_before + state.global_step
        if run.settings.match == "update_norm":
            run.meter.update_norm = relative_norm(run)
            self.last["relative_norm"] = run.meter.update_norm or 0.0
        self.last |= {"flops": float(run.meter.flops), "labels": run.meter.labels}
        if run.meter.ends(run.settings):
            control.should_training_stop = True
        self.last["seconds/step"] = time.perf_counter() - self._begun


def relative_norm(run: TrainingRun[Any]) -> float | None:
    """Return |W+ - W0| / |W0| over all weights of the model, as the record's geometry has it."""
    before = dict(run.reference.named_parameters())
    moved = start = 0.0
    for name, after in run.handle.effective_weights():
        weight = before[name].detach().double() if name in before else torch.zeros_like(after, dtype=torch.float64)
        moved += float((after.double() - weight).square().sum())
        start += float(weight.square().sum())
    return math.sqrt(moved / start) if start else None


def _norm(tensors: Iterable[Tensor]) -> float:
    return float(whole(torch.nn.utils.get_total_norm([torch.linalg.vector_norm(tensor) for tensor in tensors])))
