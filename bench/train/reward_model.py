"""A learned reward: a copy of the base model with a scalar output, trained on preference pairs by TRL's RewardTrainer.

Bradley-Terry likelihood of the labels (Christiano et al. 2017, arXiv 1706.03741; Stiennon et al. 2020, arXiv
2009.01325). It reads a prompt and a completion as text and gives one number; it knows what is right from pairs alone.
"""

import copy
from collections.abc import Sequence
from statistics import fmean
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForSequenceClassification, PreTrainedModel
from transformers.trainer_callback import PrinterCallback
from trl import RewardConfig, RewardTrainer

from rlvr_bench.experiment.signals import RlhfSettings
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.rewards import RewardContext
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.preferences import Preference
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.training_run import TrainingRun

ROWS_AT_ONCE = 256


class LearnedReward:
    """Pays what the reward model gives. Implements `tasks.rewards.Reward`."""

    def __init__(self, run: TrainingRun[RlhfSettings], model: PreTrainedModel) -> None:
        self.model = model
        self._run = run
        self._shape = Shape.of(model)
        self._prompts = {problem.id: prompt for problem, prompt in zip(run.problems, run.prompt_ids, strict=True)}

    def __call__(self, completions: Sequence[str], problems: Sequence[Problem], context: RewardContext) -> list[float]:
        """One score per completion; the verdicts of the context stay unread."""
        rows = [self._ids(problem, text) for text, problem in zip(completions, problems, strict=True)]
        self._run.meter.score(self._shape, [len(row) for row in rows])
        return self._scores(rows)

    def agreement(self, preferences: Sequence[Preference]) -> float:
        """Return the share of pairs whose chosen completion scores higher."""
        chosen = self._scores([self._ids(self._run.problems[pair.place], pair.chosen) for pair in preferences])
        rejected = self._scores([self._ids(self._run.problems[pair.place], pair.rejected) for pair in preferences])
        return fmean(one > other for one, other in zip(chosen, rejected, strict=True))

    def train(self, preferences: Sequence[Preference]) -> None:
        """Fit the model to the labels."""
        columns = {
            f"{side}_ids": [self._ids(self._run.problems[pair.place], getattr(pair, side)) for pair in preferences]
            for side in ("chosen", "rejected")
        }
        trainer = _MeteredRewardTrainer(
            model=self.model,
            args=_arguments(self._run),
            train_dataset=Dataset.from_dict(columns),
            processing_class=self._run.tokenizer,
        )
        trainer.meter, trainer.shape = self._run.meter, self._shape
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        self.model.eval().requires_grad_(False)

    def _ids(self, problem: Problem, text: str) -> list[int]:
        tokenizer = self._run.tokenizer
        own: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return [*self._prompts[problem.id], *own, tokenizer.eos_token_id]

    @torch.no_grad()
    def _scores(self, rows: list[list[int]]) -> list[float]:
        pad, device = self._run.tokenizer.pad_token_id, self.model.device
        scores: list[float] = []
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = [torch.tensor(row) for row in rows[start : start + ROWS_AT_ONCE]]
            ids = pad_sequence(part, batch_first=True, padding_value=pad).to(device)
            mask = pad_sequence([torch.ones_like(row) for row in part], batch_first=True).to(device)
            scores += self.model(input_ids=ids, attention_mask=mask).logits.squeeze(-1).float().tolist()
        return scores


def with_scalar_output(base: PreTrainedModel, pad_id: int) -> PreTrainedModel:
    """Return a copy of a causal model whose output layer gives one number, 0 for every text at the start.

    Raises:
        ValueError: transformers has no sequence classifier of this architecture.
    """
    config: Any = copy.deepcopy(base.config)
    config.num_labels, config.pad_token_id = 1, pad_id
    try:
        model: Any = AutoModelForSequenceClassification.from_config(
            config, dtype=torch.float32, trust_remote_code=False
        )
    except ValueError as error:
        raise ValueError(f"{type(base).__name__} has no form with a scalar output, which rlhf needs") from error
    model.base_model.load_state_dict(base.base_model.state_dict())
    nn.init.zeros_(model.score.weight)
    scalar: PreTrainedModel = model.to(base.device)
    return scalar


class _MeteredRewardTrainer(RewardTrainer):
    """TRL's trainer, with its tokens counted."""

    meter: Any
    shape: Shape

    def compute_loss(self, model: nn.Module, inputs: dict[str, Tensor], *args: Any, **kwargs: Any) -> Tensor:
        self.meter.learn(self.shape, inputs["attention_mask"].sum(dim=1).tolist())
        loss: Tensor = super().compute_loss(model, inputs, *args, **kwargs)
        return loss


def _arguments(run: TrainingRun[RlhfSettings]) -> RewardConfig:
    settings = run.settings
    return RewardConfig(
        output_dir=run.output_dir,
        seed=derive(run.seed, "data"),
        learning_rate=settings.reward_model_rate,
        max_steps=settings.reward_model_steps,
        per_device_train_batch_size=settings.reward_model_batch,
        max_length=None,
        disable_dropout=True,
        bf16=settings.precision == "bf16",
        use_cpu=not torch.cuda.is_available(),
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        logging_strategy="no",
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        log_level="error",
    )
