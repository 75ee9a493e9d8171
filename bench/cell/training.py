"""Training a cell: the pieces of a run from what the cell says, handed to its signal."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rlvr_bench.cell.artifacts import tracked_folder
from rlvr_bench.cell.attach import AttachedMethod
from rlvr_bench.cell.clock import Report
from rlvr_bench.cell.events import Event
from rlvr_bench.evaluate.labels import Labels
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.measure.context import CellContext
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.methods import attestation
from rlvr_bench.record.leftovers import temporary_folder
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import rewards
from rlvr_bench.train.dead import is_dead
from rlvr_bench.train.problems import training_problems
from rlvr_bench.train.signals import SIGNALS
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun


@dataclass(frozen=True, slots=True)
class FinishedTraining:
    """What is left of training."""

    run: TrainingRun[Any]
    steps: list[StepRecord]
    trainer: Trained

    @property
    def stopped(self) -> bool:
        """Whether it was ended early because the run was dead."""
        return self.run.meter.dead

    @property
    def linearity_r2(self) -> float | None:
        """How straight the way of the trained values was; None where no way was recorded or it is undefined."""
        trajectory = self.run.meter.trajectory
        return trajectory.linearity() if trajectory else None


def train(
    context: CellContext,
    method: AttachedMethod,
    labels: Labels,
    measurements: Iterable[Measurement[Any]],
    report: Report,
) -> FinishedTraining:
    """Train the attached method with the cell's signal, and attest what became of it."""
    cell = context.cell
    problems = training_problems(context.task, cell.paid_reward, labels, cell.signal)
    if cell.signal.report_to:
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(tracked_folder(cell.id)))
    with temporary_folder() as folder:
        run = TrainingRun(
            handle=method.handle,
            tokenizer=context.loaded.tokenizer,
            reference=context.reference,
            task=context.task,
            problems=problems,
            prompt_ids=context.encoded(problems),
            reward=rewards.create(cell.paid_reward),
            backend=method.rollouts,
            settings=cell.signal,
            learning_rate=cell.learning_rate,
            seed=cell.seed,
            output_dir=str(folder / f"{cell.method_name}-seed-{cell.seed}-{cell.id}"),
            labels=labels,
            interventions=context.interventions,
            watching=[
                each for each in measurements if each.settings.watches_rollouts and each.applies_to(method.handle)
            ],
        )
        steps, trainer = SIGNALS[cell.signal.type](run, _listener(cell, run, report))
    drifts = any(each.settings.drifts_base for each in context.interventions)
    attestation.finish(method.attested, method.handle, trainer.optimizer, drifts)
    return FinishedTraining(run, steps, trainer)


def _listener(cell: Cell, run: TrainingRun[Any], report: Report) -> StepListener:
    """Return what reports every step, and ends a trial that is dead."""
    steps: list[StepRecord] = []

    def listen(step: StepRecord) -> None:
        steps.append(step)
        report(_training_event(step, cell))
        if cell.stop_dead is not None and is_dead(steps, cell.signal.steps, cell.stop_dead):
            run.meter.dead = True

    return listen


def _training_event(step: StepRecord, cell: Cell) -> Event:
    return Event("train", step.step, cell.signal.steps, step.reward, step.accuracy)
