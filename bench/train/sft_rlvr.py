"""The `sft+rlvr` signal: solutions first, then GRPO on from there, under one budget."""

from rlvr_bench.experiment.signals import SftRlvrSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train import rlvr, sft
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun, begin, with_settings


def train(run: TrainingRun[SftRlvrSettings], listen: StepListener) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`. Each part has an optimizer of its own; steps count through.

    The KL and every score are to the base before both parts.
    """
    begin(run, run.settings.steps)
    first, trainer = sft.train(with_settings(run, run.settings.sft_part), listen)
    if run.meter.dead or (first and first[-1].non_finite):
        return first, trainer
    second, trainer = rlvr.train(with_settings(run, run.settings.rlvr_part), listen)
    return first + second, trainer
