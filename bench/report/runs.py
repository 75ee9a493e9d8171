"""What a row opens to: each of its runs, in the numbers that a reader asks for first, its curves and its settings."""

from typing import Any

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.curves import short

TAIL = 12
"""Last lines of a failed run that are shown."""

_ATTESTED = (
    "trainable_parameters",
    "total_parameters",
    "base_dtype",
    "optimizer",
    "optimizer_dtypes",
    "identity_expected",
    "identity_error",
    "mergeable",
    "merge_error",
    "problems",
)

_LONG = ("greedy_outcomes", "sample_counts", "problems_hash", "pass_k")


def run_document(record: RunRecord, environment: int) -> dict[str, Any]:
    """Return one run without what is undefined; `environment` is the place of its environment in the page's list."""
    task, stability = record.keys.task["name"], record.stability
    scores = {split: record.score("tuned", task, split) for split in ("test", "validation")}
    document = {
        "seed": record.keys.seed,
        "cell": record.cell_id,
        "status": record.status,
        "environment": environment,
        "tokens": record.cost.tokens,
        "memory": record.cost.peak_memory_bytes,
        "seconds": {name: short(value) for name, value in record.cost.seconds.items() if value is not None},
        "attestation": attested(record),
        "stability": _stability(record),
        "scores": _scores(record),
    }
    document |= {split: None if score is None else score.greedy for split, score in scores.items()}
    if record.cause is not None:
        cause = record.cause
        document["cause"] = cause.model_dump(mode="json") | {"tail": cause.tail[-TAIL:]}
    if stability is not None and stability.collapse_step is not None:
        document["collapse"] = f"step {stability.collapse_step} ({stability.collapse_rule})"
    if record.rollout:
        document["rollout"] = {name: _number(value) for name, value in record.rollout.items() if value is not None}
    return {name: value for name, value in document.items() if value not in (None, {}, [])}


def run_settings(record: RunRecord) -> dict[str, Any]:
    """Return the settings of a run's cell, which other runs of its row share: all but the seed."""
    return {name: value for name, value in record.cell.items() if name != "seed"}


def attested(record: RunRecord) -> dict[str, Any]:
    """Return the attestation in short: counts, errors, and whether the frozen weights stayed what they were."""
    held = record.attestation
    if not held:
        return {}
    short_form = {name: _number(held[name]) for name in _ATTESTED if held.get(name) not in (None, [])}
    if held.get("frozen_hash_before") and held.get("frozen_hash_after"):
        short_form["frozen_unchanged"] = held["frozen_hash_before"] == held["frozen_hash_after"]
    if isinstance(held.get("trainable"), list):
        short_form["trainable_tensors"] = len(held["trainable"])
    return short_form


def _scores(record: RunRecord) -> dict[str, dict[str, Any]]:
    """Return what was scored: by model, task and split, without the outcomes of single problems."""
    return {
        f"{role}, {task}, {split}": {
            name: _number(value)
            for name, value in score.model_dump(mode="json", exclude_none=True).items()
            if name not in _LONG and value not in ("", [], {})
        }
        for role, tasks in record.accuracy.items()
        for task, splits in tasks.items()
        for split, score in splits.items()
        if role != "base"
    }


def _stability(record: RunRecord) -> dict[str, Any]:
    figures = record.stability.model_dump(mode="json", exclude_none=True) if record.stability else {}
    return {name: _number(value) for name, value in figures.items()}


def _number(value: Any) -> Any:
    return short(value) if isinstance(value, float) else value
