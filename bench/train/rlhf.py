"""The `rlhf` signal: GRPO on a reward model that was trained on preference pairs; the verifier only watches.

`reward` in a step's record is the learned one (the proxy), `accuracy` the verifier's (the gold reward): their gap over
the KL to the base is what reward-model over-optimisation is (Gao et al. 2022, arXiv 2210.10760).
"""

from dataclasses import replace

from rlvr_bench.experiment.signals import RlhfSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train import rlvr
from rlvr_bench.train.preferences import collect, mislabelled
from rlvr_bench.train.reward_model import LearnedReward, with_scalar_output
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun

HELD_OUT = 256
"""Pairs with right labels that only measure the reward model."""


def train(run: TrainingRun[RlhfSettings], listen: StepListener) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`. How good the reward model is stands in `run.meter.reward_model`."""
    settings, seed = run.settings, derive(run.seed, "preference")
    count = settings.preference_pairs
    if settings.match == "labels" and settings.budget is not None:
        count = int(settings.budget)
    labelled = mislabelled(collect(run, count, seed), settings.label_noise, seed)
    run.meter.preference_pairs += count
    learned = LearnedReward(run, with_scalar_output(run.reference, run.tokenizer.pad_token_id))
    learned.train(labelled)
    run.meter.reward_model = {
        "pairs": float(count),
        "label_noise": settings.label_noise,
        "agreement_train": learned.agreement(labelled),
        "agreement_held_out": learned.agreement(collect(run, HELD_OUT, derive(run.seed, "held-out"), paid=False)),
    }
    return rlvr.train(replace(run, reward=learned), listen)
