"""The `sft` signal: supervised fine-tuning on gold solutions, or on a teacher's."""

from rlvr_bench.experiment.signals import SftSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import solutions
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.step_record import recorder
from rlvr_bench.train.supervised import example, fit
from rlvr_bench.train.training_run import StepListener, Trained, TrainingRun


def train(run: TrainingRun[SftSettings], listen: StepListener) -> tuple[list[StepRecord], Trained]:
    """Train a handle in place; see `rlvr.train`."""
    settings, bought = run.settings, run.problems
    if settings.match == "labels" and settings.budget is not None:
        bought = bought[: int(settings.budget)]
    texts = solutions.of_teacher(run.task, bought, settings.teacher_accuracy, derive(run.seed, "data"))
    run.meter.solutions += len({problem.id for problem in bought})
    steps: list[StepRecord] = []
    examples = [example(run, place, text) for place, text in enumerate(texts)]
    return steps, fit(run, examples, settings.steps, recorder(run, steps, listen))
