"""TRL's SFT trainer on given completions, with our step records, budgets and a shadow sample of the policy.

What is TRL's stays TRL's: the collator, the loss (mean over the completions' tokens), the optimizer step. Prompts carry
no loss.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from torch import Tensor, nn
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer
from trl.trainer.utils import disable_dropout_in_model

from rlvr_bench.experiment.signals import SupervisedSettings
from rlvr_bench.train.drawing import draw, metrics
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.step_guard import StepGuard
from rlvr_bench.train.training_run import StepSink, TrainingRun, begin

IGNORED = -100
"""The label of a token without loss."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a prompt and of the completion to learn, which ends with the EOS token."""

    prompt: list[int]
    completion: list[int]


class SolutionTrainer(SFTTrainer):
    """Maximum likelihood on examples, in an order that is the same for every method."""

    update_backend = "padded"

    def __init__(
        self, run: TrainingRun[SupervisedSettings], examples: list[Example], steps: int, sink: StepSink
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
            args=_arguments(run, steps),
            train_dataset=_dataset(examples),
            processing_class=run.tokenizer,
            optimizers=(optimizer, None),
            callbacks=[self._guard],
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
        self._run.meter.learn(self._shape, inputs["attention_mask"].sum(dim=1).tolist())
        loss: Tensor = super().compute_loss(model, inputs, *args, **kwargs)
        return loss

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


def fit(run: TrainingRun[SupervisedSettings], examples: list[Example], steps: int, sink: StepSink) -> SolutionTrainer:
    """Train on examples for at most `steps` optimizer steps and return the trainer."""
    with _own_forward(run.handle.model):
        trainer = SolutionTrainer(run, examples, steps, sink)
        trainer.train()
    return trainer


def example(run: TrainingRun[Any], place: int, text: str) -> Example:
    """Return the completion `text` of the train problem at `place`.

    Raises:
        ValueError: the two together do not fit the model's context.
    """
    ids: list[int] = run.tokenizer(text, add_special_tokens=False)["input_ids"]
    encoded = Example(run.prompt_ids[place], [*ids, run.tokenizer.eos_token_id])
    config: Any = run.reference.config
    context = getattr(config, "max_position_embeddings", None)
    length = len(encoded.prompt) + len(encoded.completion)
    if context is not None and length > context:
        raise ValueError(f"a prompt and its solution take {length} tokens, the model's context is {context}")
    return encoded


def shadow(run: TrainingRun[SupervisedSettings], step: int) -> dict[str, float | None]:
    """Sample the policy on train problems that follow from seed and step, and return what is recorded of it."""
    seed = derive(run.seed, "shadow") + step
    places = random.Random(seed).sample(range(len(run.problems)), run.settings.shadow_size)
    return metrics(run, draw(run, places, 1, seed))


@contextmanager
def _own_forward(model: nn.Module) -> Iterator[None]:
    """Take TRL's patch of the forward method away afterwards: it would hold on to the model and be patched again."""
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
            f"the output layer is a {type(layer).__name__}, which TRL's SFT loss passes by; take it out of the "
            "method's targets"
        )


def _dataset(examples: list[Example]) -> Dataset:
    return Dataset.from_dict(
        {
            "input_ids": [each.prompt + each.completion for each in examples],
            # The loss is of the solution alone, as in every signal the prompt is given.
            "labels": [[IGNORED] * len(each.prompt) + each.completion for each in examples],
        }
    )


def _arguments(run: TrainingRun[SupervisedSettings], steps: int) -> SFTConfig:
    settings = run.settings
    micro_batch = settings.micro_batch or settings.batch_size
    return SFTConfig(
        output_dir=run.output_dir,
        run_name=Path(run.output_dir).name,
        seed=derive(run.seed, "data"),
        learning_rate=run.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        max_steps=steps,
        max_grad_norm=settings.max_grad_norm,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.batch_size // micro_batch,
        max_length=None,  # nothing is cut: `example` refuses what the context does not hold
        dataset_kwargs={"skip_prepare_dataset": True},
        loss_type="nll",
        router_aux_loss_coef=0.0,  # as in `trainer`
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=list(settings.report_to) or "none",
        save_strategy="no",
        disable_tqdm=True,
        log_level="error",
    )
