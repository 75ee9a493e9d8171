"""The `rlvr` signal: GRPO against a task's verifier (or a control reward), recorded step by step."""

from rlvr_bench.experiment.settings import GrpoSettings
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.agreement import MISMATCH, mean_mismatch
from rlvr_bench.train.step_record import recorder
from rlvr_bench.train.trainer import RolloutTrainer
from rlvr_bench.train.training_run import StepListener, TrainingRun


def train(run: TrainingRun[GrpoSettings], listen: StepListener) -> tuple[list[StepRecord], RolloutTrainer]:
    """Train a handle in place.

    Args:
        run: the pieces of the run.
        listen: is called with each step's record.

    Returns:
        The step records, one per optimizer step, and the trainer, whose optimizer is attested afterwards.
    """
    steps: list[StepRecord] = []
    trainer = RolloutTrainer(run, recorder(run, steps, listen))
    trainer.train()
    trainer.finish()
    ended = run.meter.ends(run.settings) or (steps and steps[-1].non_finite)
    if len(steps) < run.settings.steps and not ended:
        raise RuntimeError(f"training made {len(steps)} of {run.settings.steps} optimizer steps; this is a defect")
    return steps, trainer


def rollout_record(backend: str, update_backend: str, steps: list[StepRecord]) -> dict[str, float | str | None]:
    """Return both backends, and how far apart their log-probabilities were on the same weights (in nats)."""
    return {
        "backend": backend,
        "update_backend": update_backend,
        "mismatch_mean": mean_mismatch(steps),
        "mismatch_max": max(_values(steps, f"{MISMATCH}/max"), default=None),
        "probe_max": max(_values(steps, "probe/logp_difference_max"), default=None),
    }


def _values(steps: list[StepRecord], metric: str) -> list[float]:
    """Return a metric that is kept under TRL's own name, of the steps that have it."""
    values = [(step.model_extra or {}).get(metric) for step in steps]
    return [value for value in values if value is not None]
