"""TRL's GRPO trainer with our rollouts, our reference model and our step records.

What is TRL's stays TRL's: prompts in groups, advantages, the clipped loss, the optimizer step. What is overridden is
where completions come from (a rollout backend on the method's merged weights) and what the reference is (the frozen
base itself, never a disabled adapter: huggingface/trl#6688, and PiSSA-like methods change the base).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from bench.experiment.settings import RlvrSettings
from bench.generate.backend import Backend
from bench.train.log_probs import completion_log_probs, k3
from bench.train.seeds import derive
from methods.handle import Handle
from tasks.problem import Problem, Verdict
from tasks.rewards import Reward, RewardContext
from tasks.task import Task

StepSink = Callable[[dict[str, float | None]], None]
"""Takes the metrics of one optimizer step, under TRL's names."""


@dataclass(frozen=True, slots=True)
class Run:
    """The pieces of one RLVR run, as the harness hands them over."""

    handle: Handle
    tokenizer: PreTrainedTokenizerBase
    reference: nn.Module
    task: Task
    problems: list[Problem]
    prompt_ids: list[list[int]]
    reward: Reward
    backend: Backend
    settings: RlvrSettings
    learning_rate: float
    seed: int
    output_dir: str


class RolloutTrainer(GRPOTrainer):
    """GRPO on completions of a rollout backend."""

    def __init__(self, run: Run, sink: StepSink) -> None:
        self._run = run
        self._sink = sink
        self._batches = 0
        self.generated_tokens = 0
        settings = run.settings
        handle = run.handle
        optimizer = handle.create_optimizer(run.learning_rate, settings.weight_decay, settings.betas)
        handle.before_training(settings.steps)
        self._after_step = _AfterStep(handle)
        super().__init__(
            model=handle.model,
            reward_funcs=self._score,
            args=_arguments(run),
            train_dataset=Dataset.from_dict(
                {"prompt": [str(i) for i in range(len(run.problems))], "problem": list(range(len(run.problems)))}
            ),
            processing_class=run.tokenizer,
            optimizers=(optimizer, None),
            callbacks=[self._after_step],
        )
        self.remove_callback(PrinterCallback)
        # Set after construction: TRL would build a reference of its own from the model's name or its adapters.
        self.beta = settings.kl_weight
        self.ref_model = run.reference

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [self._run.prompt_ids[int(prompt)] for prompt in prompts], None, {}

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: None,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float]]]:
        run, started = self._run, time.perf_counter()
        with run.handle.rollout_weights() as model:
            completions = run.backend.generate(
                model,
                prompt_ids,
                max_new_tokens=run.settings.max_new_tokens,
                temperature=run.settings.temperature,
                seed=derive(run.seed, "rollout") + self._batches,
                eos_ids=self.eos_token_ids,
                pad_id=self._tokenizer.pad_token_id,
                batch_size=len(prompt_ids),
            )
        self.generated_tokens += sum(map(len, completions.token_ids))
        self._metrics["train"]["seconds/rollout"].append(time.perf_counter() - started)
        return completions.token_ids, completions.logprobs

    def _score(self, prompts: list[str], completions: list[str], problem: list[int], **_: Any) -> list[float]:
        run, started = self._run, time.perf_counter()
        problems = [run.problems[index] for index in problem]
        verdicts = [run.task.verify(text, asked) for text, asked in zip(completions, problems, strict=True)]
        context = RewardContext(
            task=run.task,
            seed=derive(run.seed, "rollout"),
            step=self._batches,
            indices=[index % run.settings.group_size for index in range(len(problems))],
            verdicts=verdicts,
        )
        rewards = run.reward(completions, problems, context)
        if len(rewards) != len(completions) or not all(map(math.isfinite, rewards)):
            raise ValueError("the reward did not give one finite number per completion; mend the reward")
        self._record_verdicts(verdicts)
        self._metrics["train"]["seconds/verify"].append(time.perf_counter() - started)
        self._batches += 1
        return rewards

    def _record_verdicts(self, verdicts: list[Verdict]) -> None:
        for metric, reason in (("accuracy", "correct"), ("unparsed", "unparsed"), ("verifier_errors", "error")):
            share = sum(verdict.reason == reason for verdict in verdicts) / len(verdicts)
            self._metrics["train"][metric].append(share)

    def _get_per_token_logps_and_entropies(
        self,
        model: nn.Module,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        *args: Any,
        **kwargs: Any,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        if model is self.ref_model:
            return self._reference_log_probs(input_ids, attention_mask, logits_to_keep), None, None
        scored: tuple[Tensor, Tensor | None, Tensor | None] = super()._get_per_token_logps_and_entropies(
            model, input_ids, attention_mask, logits_to_keep, *args, **kwargs
        )
        self._policy_log_probs = scored[0].detach()
        return scored

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        loss: Tensor = super()._compute_loss(model, inputs)
        if self._step % self.args.steps_per_generation == 0:  # the weights are still those that sampled
            off = (self._policy_log_probs - inputs["sampling_per_token_logps"]).abs()[inputs["completion_mask"].bool()]
            self._metrics["train"]["sampling/sampling_logp_difference/mean"].append(float(off.mean()))
            self._metrics["train"]["sampling/sampling_logp_difference/max"].append(float(off.max()))
        return loss

    def _reference_log_probs(self, input_ids: Tensor, attention_mask: Tensor, length: int) -> Tensor:
        rows = self._run.settings.micro_batch or len(input_ids)
        return torch.cat(
            [
                completion_log_probs(self._run.reference, ids, mask, length, self.temperature)
                for ids, mask in zip(input_ids.split(rows), attention_mask.split(rows), strict=True)
            ]
        )

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if self.beta == 0.0 and (self._batches - 1) % self._run.settings.kl_every == 0:
            ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
            mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
            reference = self._reference_log_probs(ids, mask, batch["completion_ids"].size(1))
            self._metrics["train"]["kl"].append(
                k3(batch["sampling_per_token_logps"], reference, batch["completion_mask"])
            )
        return batch

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Hand the step's metrics to the recorder, then to TRL's own trackers."""
        super().log(logs, start_time)
        if "train_runtime" not in logs:
            self._sink({"step": self.state.global_step, **logs, **self._after_step.last})


class _AfterStep(TrainerCallback):
    """Stops before a non-finite gradient reaches the weights, measures the update, and runs the method's own hook."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._before: list[Tensor] = []
        self._trainable = [parameter for parameter in handle.model.parameters() if parameter.requires_grad]
        self.last: dict[str, float] = {}

    def on_pre_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        gradients = [parameter.grad for parameter in self._trainable if parameter.grad is not None]
        finite = all(bool(torch.isfinite(gradient).all()) for gradient in gradients)
        if not finite:
            for parameter in self._trainable:
                parameter.grad = None
            control.should_training_stop = True
        self._before = [parameter.detach().clone() for parameter in self._trainable]
        self.last = {"non_finite": float(not finite)}

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        moved = [after.detach() - before for after, before in zip(self._trainable, self._before, strict=True)]
        self.last |= {"update_norm": _norm(moved), "weight_norm": _norm(self._before)}
        self._before = []
        self._handle.after_step(state.global_step)


def _norm(tensors: list[Tensor]) -> float:
    norms = [torch.linalg.vector_norm(tensor, dtype=torch.float64) for tensor in tensors]
    return float(torch.linalg.vector_norm(torch.stack(norms)))


def _arguments(run: Run) -> GRPOConfig:
    settings = run.settings
    update = settings.batch_size // settings.updates_per_batch
    micro_batch = settings.micro_batch or update
    return GRPOConfig(
        output_dir=run.output_dir,
        seed=derive(run.seed, "data"),
        learning_rate=run.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=settings.warmup_steps,
        max_steps=settings.steps,
        max_grad_norm=settings.max_grad_norm,
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=update // micro_batch,
        steps_per_generation=settings.batch_size // micro_batch,
        num_generations=settings.group_size,
        max_completion_length=settings.max_new_tokens,
        temperature=settings.temperature,
        beta=0.0,
        # A range of [0, 1e9] never clips: that is how a side is taken away.
        epsilon=1.0 if settings.clip_low is None else settings.clip_low,
        epsilon_high=1e9 if settings.clip_high is None else settings.clip_high,
        loss_type=settings.loss_type,
        scale_rewards=settings.scale_rewards,
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        disable_dropout=True,
        dataloader_pin_memory=False,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=list(settings.report_to) or "none",
        save_strategy="no",
        disable_tqdm=True,
        log_level="error",
    )
