"""The `rlvr` signal: GRPO against a task's verifier (or a control reward), recorded step by step."""

import resource
import sys
from collections.abc import Callable
from statistics import fmean
from typing import Any

import torch

from bench.record.schema import StepRecord
from bench.train.trainer import RolloutTrainer, Run

_MISMATCH = "sampling/sampling_logp_difference"
Progress = Callable[[StepRecord], None]

# Names of TRL and transformers that a record keeps under a name of its own.
_RENAMED = {
    "seconds/rollout": "seconds_rollout",
    "seconds/verify": "seconds_verify",
    "seconds/step": "seconds_train",
    "num_tokens": "tokens_seen",
}
_WITHIN_STEP = ("rollout", "verify")
_LEFT_OUT = {
    "epoch",
    "step_time",  # lacks the optimizer's step
    "rewards/_score/mean",
    "rewards/_score/std",
    "completions/min_length",
    "completions/min_terminated_length",
    "completions/max_terminated_length",
}


def train(run: Run, progress: Progress) -> tuple[list[StepRecord], RolloutTrainer]:
    """Train a handle in place.

    Args:
        run: the pieces of the run.
        progress: is called with each step's record.

    Returns:
        The step records, one per optimizer step, and the trainer, whose optimizer is attested afterwards.
    """
    steps: list[StepRecord] = []

    def sink(metrics: dict[str, Any]) -> None:
        steps.append(_step_record(metrics, trainer.generated_tokens))
        progress(steps[-1])

    trainer = RolloutTrainer(run, sink)
    trainer.train()
    if len(steps) < run.settings.steps and not (steps and steps[-1].non_finite):
        raise RuntimeError(f"training made {len(steps)} of {run.settings.steps} optimizer steps; this is a defect")
    return steps, trainer


def rollout_record(backend: str, update_backend: str, steps: list[StepRecord]) -> dict[str, float | str | None]:
    """Return both backends, and how far apart their log-probabilities were on the same weights (in nats)."""
    return {
        "backend": backend,
        "update_backend": update_backend,
        "mismatch_mean": fmean(means) if (means := _values(steps, f"{_MISMATCH}/mean")) else None,
        "mismatch_max": max(_values(steps, f"{_MISMATCH}/max"), default=None),
        "probe_max": max(_values(steps, "probe/logp_difference_max"), default=None),
    }


def _values(steps: list[StepRecord], metric: str) -> list[float]:
    """Return a metric that is kept under TRL's own name, of the steps that have it."""
    values = [(step.model_extra or {}).get(metric) for step in steps]
    return [value for value in values if value is not None]


def peak_memory_bytes() -> int:
    """Return the largest device memory allocated so far, or without a device the largest resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _step_record(metrics: dict[str, Any], tokens: int) -> StepRecord:
    values = {_RENAMED.get(name, name): value for name, value in metrics.items() if name not in _LEFT_OUT}
    # Measured from the batch to the weights, with the rollout and the verifier in it.
    values["seconds_train"] = values["seconds_train"] - sum(values.get(f"seconds_{part}", 0.0) for part in _WITHIN_STEP)
    update, weight = values.get("update_norm"), values.get("weight_norm")
    relative = update / weight if update is not None and weight else None
    return StepRecord.model_validate(
        values | {"relative_update_norm": relative, "tokens": tokens, "peak_memory_bytes": peak_memory_bytes()}
    )
