"""From the metrics that a TRL trainer logs to the record of one optimizer step."""

import resource
import sys
from typing import Any

import torch

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.training_run import StepListener, StepSink, TrainingRun

# Names of TRL and transformers that a record keeps under a name of its own.
_RENAMED = {
    "seconds/rollout": "seconds_rollout",
    "seconds/grade": "seconds_grade",
    "seconds/log_probs": "seconds_log_probs",
    "seconds/measure": "seconds_measure",
    "seconds/step": "seconds_train",
    "num_tokens": "tokens_seen",
}
WITHIN_STEP = ("rollout", "grade", "log_probs", "measure")
"""Parts of a step that are timed by themselves; the rest of it is its update. "measure" is there if it took place."""
_LEFT_OUT = {
    "epoch",
    "step_time",  # lacks the optimizer's step
    "rewards/_score/mean",
    "rewards/_score/std",
    "completions/min_length",
    "completions/min_terminated_length",
    "completions/max_terminated_length",
}


def recorder(run: TrainingRun[Any], steps: list[StepRecord], listen: StepListener) -> StepSink:
    """Return what turns the metrics of a step into a record, appends it to `steps` and tells `listen`."""

    def sink(metrics: dict[str, Any]) -> None:
        steps.append(step_record(metrics, run.meter.generated_tokens))
        listen(steps[-1])

    return sink


def step_record(metrics: dict[str, Any], tokens: int) -> StepRecord:
    """Return the record of metrics under TRL's names; `tokens` were generated so far."""
    values = {_RENAMED.get(name, name): value for name, value in metrics.items() if name not in _LEFT_OUT}
    # Measured from the batch to the weights, with the other parts in it.
    values["seconds_train"] -= sum(values.get(f"seconds_{part}", 0.0) for part in WITHIN_STEP)
    update, weight = values.get("update_norm"), values.get("weight_norm")
    relative = update / weight if update is not None and weight else None
    return StepRecord.model_validate(
        values | {"relative_update_norm": relative, "tokens": tokens, "peak_memory_bytes": peak_memory_bytes()}
    )


def peak_memory_bytes() -> int:
    """Return the largest device memory allocated so far, or without a device the largest resident memory."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
