"""The `sft` signal: supervised fine-tuning on gold solutions, or on a teacher's."""

from bench.experiment.signals import SftSettings
from bench.record.schema import StepRecord
from bench.train.run import Progress, Run, Trained
from bench.train.seeds import derive
from bench.train.step_record import recorder
from bench.train.supervised import example, fit
from tasks import solutions


def train(run: Run[SftSettings], progress: Progress) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`."""
    settings, bought = run.settings, run.problems
    if settings.match == "labels" and settings.budget is not None:
        bought = bought[: int(settings.budget)]
    texts = solutions.of_teacher(run.task, bought, settings.teacher_accuracy, derive(run.seed, "data"))
    run.meter.solutions += len({problem.id for problem in bought})
    steps: list[StepRecord] = []
    examples = [example(run, place, text) for place, text in enumerate(texts)]
    return steps, fit(run, examples, settings.steps, recorder(run, steps, progress))
