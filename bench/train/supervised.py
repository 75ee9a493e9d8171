"""TRL's SFT trainer on given completions.

What is TRL's stays TRL's: the collator, the loss (mean over the completions' tokens), the optimizer step. Prompts carry
no loss.
"""

from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from rlvr_bench.experiment.signals import SupervisedSettings
from rlvr_bench.train.shadowed import ShadowedTrainer, arguments, own_forwards
from rlvr_bench.train.training_run import StepSink, TrainingRun

IGNORED = -100
"""The label of a token without loss."""


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of a prompt and of the completion to learn, which ends with the EOS token."""

    prompt: list[int]
    completion: list[int]


class SolutionTrainer(ShadowedTrainer, SFTTrainer):
    """Maximum likelihood on examples."""


def fit(run: TrainingRun[SupervisedSettings], examples: list[Example], steps: int, sink: StepSink) -> SolutionTrainer:
    """Train on examples for at most `steps` optimizer steps and return the trainer."""
    with own_forwards(run.handle.model):
        trainer = SolutionTrainer(run, steps, sink, args=_arguments(run, steps), train_dataset=_dataset(examples))
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
        **arguments(run, steps),
        per_device_train_batch_size=micro_batch,
        gradient_accumulation_steps=settings.batch_size // micro_batch,
        dataset_kwargs={"skip_prepare_dataset": True},
        loss_type="nll",
    )
