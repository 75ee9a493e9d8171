"""The `sft+rlvr` signal: solutions first, then GRPO on from there, under one budget."""

from rlvr_bench.experiment.signals import SftRlvrSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train import rlvr, sft
from rlvr_bench.train.run import Progress, Run, Trained, begin, part_of


def train(run: Run[SftRlvrSettings], progress: Progress) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`. Each part has an optimizer of its own; steps count through.

    The KL and every score are to the base before both parts.
    """
    begin(run, run.settings.steps)
    first, trainer = sft.train(part_of(run, run.settings.sft_part), progress)
    if first and first[-1].non_finite:
        return first, trainer
    second, trainer = rlvr.train(part_of(run, run.settings.rlvr_part), progress)
    return first + second, trainer
