"""TRL's trainers on given completions, with our step records and budgets, and a shadow sample of the policy.

What is given says nothing of what the policy itself would say: a shadow sample does, for the record only.
"""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor, nn
from transformers import Trainer
from transformers.trainer_callback import PrinterCallback
from trl.trainer.utils import disable_dropout_in_model

from rlvr_bench.experiment.signals import ShadowedSettings, SupervisedSettings
from rlvr_bench.train.drawing import draw, metrics
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.step_guard import StepGuard
from rlvr_bench.train.training_run import StepSink, TrainingRun, begin


class ShadowedTrainer(Trainer):
    """What TRL's SFT and DPO trainers are given alike; stands before one of them in a class's bases.

    Completions are met in an order that is the same for every method.
    """

    update_backend = "padded"

    def __init__(
        self,
        run: TrainingRun[SupervisedSettings],
        steps: int,
        sink: StepSink,
        *,
        args: Any,
        train_dataset: Dataset,
        **of_trainer: Any,
    ) -> None:
        self._run = run
        self._sink = sink
        self._steps = steps
        self._steps_before = run.meter.steps
        self._shape = Shape.of(run.reference)
        self._shadow: dict[str, float | None] = {}
        settings, model = run.settings, run.handle.model
        _check_output_layer(model)
        disable_dropout_in_model(model)
        optimizer = run.handle.create_optimizer(run.learning_rate, settings.weight_decay, settings.betas)
        begin(run, settings.steps)
        self._guard = StepGuard(run)
        super().__init__(
            model=model,
            args=args,
            train_dataset=train_dataset,
            processing_class=run.tokenizer,
            optimizers=(optimizer, None),
            callbacks=[self._guard],
            **of_trainer,
        )
        self.remove_callback(PrinterCallback)

    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        """Sample the policy where it is due, before its weights move; then TRL's own step."""
        if not self._shadow and self._shadow_is_due():
            started = time.perf_counter()
            self._shadow = shadow(self._run, self._steps_before + self.state.global_step)
            self._shadow["seconds/rollout"] = time.perf_counter() - started
        loss: Tensor = super().training_step(*args, **kwargs)
        return loss

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Count the tokens; the loss is TRL's."""
        self._count(inputs["attention_mask"].sum(dim=1).tolist())
        loss: Tensor = super().compute_loss(model, inputs, *args, **kwargs)
        return loss

    def _count(self, lengths: list[int]) -> None:
        self._run.meter.learn(self._shape, lengths)

    def _shadow_is_due(self) -> bool:
        step: int = self.state.global_step
        return step % self._run.settings.shadow_every == 0 or step + 1 >= self._steps

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Hand the step's metrics to the recorder, then to TRL's own trackers."""
        super().log(logs, start_time)
        if "train_runtime" not in logs:
            # Of given completions, while every other signal has the entropy of sampled ones.
            own = {"solution_entropy" if name == "entropy" else name: value for name, value in logs.items()}
            step = self._steps_before + self.state.global_step
            self._sink({"step": step, **own, **self._guard.last, **self._shadow})
            self._shadow = {}


def shadow(run: TrainingRun[ShadowedSettings], step: int) -> dict[str, float | None]:
    """Sample the policy on train problems that follow from seed and step, and return what is recorded of it."""
    seed = derive(run.seed, "shadow") + step
    places = random.Random(seed).sample(range(len(run.problems)), run.settings.shadow_size)
    return metrics(run, draw(run, places, 1, seed))


@contextmanager
def own_forwards(*models: nn.Module) -> Iterator[None]:
    """Take TRL's patches of forward methods away afterwards: one would hold on to its model and be patched again."""
    with ExitStack() as stack:
        for model in models:
            stack.enter_context(_own_forward(model))
        yield


@contextmanager
def _own_forward(model: nn.Module) -> Iterator[None]:
    plain = model.get_base_model() if isinstance(model, PeftModel) else model
    before = plain.__dict__.get("forward")
    try:
        yield
    finally:
        plain.__dict__.pop("forward", None)
        if before is not None:
            plain.__dict__["forward"] = before


def _check_output_layer(model: Any) -> None:
    """TRL multiplies by the output layer's weight itself, so that what a method puts around it would be left out."""
    layer = model.get_output_embeddings()
    if type(layer) is not nn.Linear:
        raise ValueError(
            f"the output layer is a {type(layer).__name__}, which TRL's loss on given completions passes by; take it "
            "out of the method's targets"
        )


def arguments(run: TrainingRun[SupervisedSettings], steps: int) -> dict[str, Any]:
    """Return what the configurations of TRL's SFT and DPO trainers share; the sizes of batches are not in it."""
    settings = run.settings
    return {
        "output_dir": run.output_dir,
        "run_name": Path(run.output_dir).name,
        "seed": derive(run.seed, "data"),
        "learning_rate": run.learning_rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": settings.warmup_steps,
        "max_steps": steps,
        "max_grad_norm": settings.max_grad_norm,
        "max_length": None,  # nothing is cut: `supervised.example` refuses what the context does not hold
        "router_aux_loss_coef": 0.0,  # as in `trainer`
        "bf16": settings.precision == "bf16",
        "use_cpu": not torch.cuda.is_available(),
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": list(settings.report_to) or "none",
        "save_strategy": "no",
        "disable_tqdm": True,
        "log_level": "error",
    }
