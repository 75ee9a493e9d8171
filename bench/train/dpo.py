"""The `dpo` signal: direct preference optimisation on pairs that the verifier orders, by TRL's DPOTrainer.

Offline: right and wrong completions of the untrained base, sampled once (Rafailov et al. 2023, arXiv 2305.18290). The
reference is the frozen base itself, never a disabled adapter. What is TRL's stays TRL's: the collator, the loss of the
paper's equation 7, the optimizer step.
"""

import random
from collections.abc import Sequence

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from rlvr_bench.experiment.signals import DpoSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.drawing import draw
from rlvr_bench.train.ledger import Shape
from rlvr_bench.train.preferences import PROMPTS_AT_ONCE, Preference, pairs_of
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.shadowed import ShadowedTrainer, arguments, own_forwards
from rlvr_bench.train.step_record import recorder
from rlvr_bench.train.supervised import example
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun, begin


class PairTrainer(ShadowedTrainer, DPOTrainer):
    """DPO on pairs that are token ids already."""

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        """TRL would tokenize texts here and has no setting to leave that out."""
        return dataset

    def _count(self, lengths: list[int]) -> None:
        super()._count(lengths)
        self._run.meter.score(self._shape, lengths)  # the reference reads every pair again at every step


def train(run: TrainingRun[DpoSettings], listen: StepListener) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`.

    Raises:
        ValueError: no problem has both a right and a wrong completion.
    """
    steps: list[StepRecord] = []
    begin(run, run.settings.steps)
    pairs = verified_pairs(run)
    with own_forwards(run.handle.model, run.reference):
        trainer = PairTrainer(
            run,
            run.settings.steps,
            recorder(run, steps, listen),
            args=_arguments(run),
            train_dataset=_dataset(run, pairs),
            ref_model=run.reference,
        )
        trainer.train()
    return steps, trainer


def verified_pairs(run: TrainingRun[DpoSettings]) -> list[Preference]:
    """Sample the base and return its pairs of a right and a wrong completion, neither of them cut off."""
    settings, shape, seed = run.settings, Shape.of(run.reference), derive(run.seed, "rollout")
    places = random.Random(seed).sample(range(len(run.problems)), settings.prompts)
    pairs: list[Preference] = []
    right = 0
    for start in range(0, len(places), PROMPTS_AT_ONCE):
        part = places[start : start + PROMPTS_AT_ONCE]
        drawn = draw(run, part, settings.group_size, seed + start)
        run.meter.generate(shape, drawn.prompts, drawn.token_ids)
        run.meter.verdicts += len(drawn.verdicts)
        right += sum(verdict.correct for verdict in drawn.verdicts)
        for row, place in enumerate(part):
            own = range(row * settings.group_size, (row + 1) * settings.group_size)
            whole = [(drawn.texts[each], drawn.verdicts[each]) for each in own if not drawn.truncated[each]]
            pairs += pairs_of(place, whole, settings.pairs_per_problem)
    if not pairs:
        raise ValueError(
            f"none of {len(places)} problems has a right and a wrong completion that ends ({right} of "
            f"{settings.affordable} are right); choose a task that the base solves sometimes, or raise max_new_tokens"
        )
    return pairs


def _dataset(run: TrainingRun[DpoSettings], pairs: Sequence[Preference]) -> Dataset:
    sides = {side: [example(run, pair.place, getattr(pair, side)) for pair in pairs] for side in ("chosen", "rejected")}
    return Dataset.from_dict(
        {"prompt_ids": [each.prompt for each in sides["chosen"]]}
        | {f"{side}_ids": [each.completion for each in examples] for side, examples in sides.items()}
    )


def _arguments(run: TrainingRun[DpoSettings]) -> DPOConfig:
    settings = run.settings
    micro_batch = settings.micro_batch or settings.batch_size
    return DPOConfig(
        **arguments(run, settings.steps),
        per_device_train_batch_size=micro_batch // 2,  # TRL counts pairs
        gradient_accumulation_steps=settings.batch_size // micro_batch,
        beta=settings.kl_weight,
        loss_type=["sigmoid"],
    )
