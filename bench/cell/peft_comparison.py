"""A record as a result file of PEFT's method comparison, so that both boards are read together.

The shape is that of huggingface/peft, `method_comparison/MetaMathQA/results/*.json` (`log_results`), which its app and
`processing.load_df` read: `run_info`, `train_info` with the metrics at the end last, `meta_info`. What a record has in
another sense is noted under `meta_info.rlvr_bench.notes`.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord, Score, StepRecord

FULL = "full-finetuning"
"""What PEFT's board calls a run without an adapter."""

STATUS = {"done": "success", "collapsed": "success", "stopped": "canceled"}
"""PEFT's name of a status; of all others "failed", which its board leaves out."""

FLOAT32_BYTES = 4

NOTES = {
    "created_at": "when this file was written: a record holds no date",
    "accelerator_memory": "the peak of the whole process, in all three places",
    "file_size": "trainable values in float32, not the size of a file",
    "train loss": "of the last update; under RL it is not comparable with a supervised one",
    "accuracy": "greedy, by the task's verifier",
}


def result_file(record: RunRecord, steps: Sequence[StepRecord], written_at: datetime) -> dict[str, Any]:
    """Return the document of one run.

    Args:
        record: a run that was scored on its test split.
        steps: its training steps.
        written_at: with a time zone.

    Raises:
        RecordError: it has no greedy accuracy on the test split, no step with a loss, or nothing was measured of what
            it took.
    """
    test, loss, last = _test(record), _last_loss(record, steps), steps[-1].step
    end: dict[str, Any] = {"step": last, "train loss": loss, "train samples": last * _batch(record.keys.signal)}
    seconds, memory = record.cost.total_seconds, record.cost.peak_memory_bytes
    parameters = (record.attestation or {}).get("trainable_parameters")
    if seconds is None or memory is None or parameters is None:
        raise RecordError(f"cell {record.cell_id} has no time, memory or count of parameters; export another run")
    valid = record.score("tuned", str(record.keys.task["name"]), "validation")
    return {
        "run_info": {
            "created_at": written_at.astimezone(UTC).isoformat(timespec="seconds"),
            "total_time": seconds,
            "experiment_name": experiment_name(record),
            "peft_branch": "main",
            "train_config": _train_config(record),
            "peft_config": _peft_config(record),
            "error_msg": "" if record.cause is None else record.cause.message,
        },
        "train_info": {
            "accelerator_memory_reserved_avg": memory,
            "accelerator_memory_max": memory,
            "accelerator_memory_reserved_99th": memory,
            "train_time": record.cost.seconds.get("train", 0.0),
            "file_size": FLOAT32_BYTES * parameters,
            "num_trainable_params": parameters,
            "num_total_params": (record.attestation or {}).get("total_parameters"),
            "status": STATUS.get(record.status, "failed"),
            "metrics": [
                *([] if valid is None else [end | {"valid accuracy": valid.greedy}]),
                end | {"test accuracy": test.greedy, "train total tokens": _tokens(record)},
            ],
        },
        "meta_info": _meta_info(record),
    }


def experiment_name(record: RunRecord) -> str:
    """Return the name of a run as PEFT's board has it: type of the adapter, then what it is."""
    kind = (_peft_config(record) or {"peft_type": FULL})["peft_type"]
    return f"{str(kind).lower()}/{record.comparison}-{record.keys.method_name}-seed-{record.keys.seed}"


def file_name(record: RunRecord) -> str:
    """Return the name of its file as PEFT gives it."""
    return f"{experiment_name(record).replace('/', '--')}.json"


def _peft_config(record: RunRecord) -> dict[str, Any] | None:
    """Return the config that PEFT had; of a method that is not PEFT's its own settings under its own type."""
    config = ((record.attestation or {}).get("realised") or {}).get("peft_config")
    if config is not None:
        return dict(config)
    method = dict(record.keys.method)
    return None if method.get("type") == "full" else {"peft_type": str(method.pop("type")).upper(), **method}


def _train_config(record: RunRecord) -> dict[str, Any]:
    """Return the keys of PEFT's `TrainConfig`; None for what there is no such setting of."""
    signal, evaluate = record.keys.signal, record.cell.get("evaluate", {})
    return {
        "model_id": record.keys.base["name"],
        "dtype": "float32",
        "max_seq_length": None,
        "batch_size": _batch(signal),
        "batch_size_eval": evaluate.get("batch_size"),
        "max_steps": signal.get("steps"),
        "eval_steps": signal.get("steps"),
        "compile": False,
        "use_gc": False,
        "query_template": "{query}",
        "seed": record.keys.seed,
        "grad_norm_clip": signal.get("max_grad_norm"),
        "optimizer_type": (record.attestation or {}).get("optimizer"),
        "optimizer_kwargs": {"lr": record.keys.learning_rate, "weight_decay": signal.get("weight_decay", 0.0)},
        "lr_scheduler": None,
        "use_amp": signal.get("precision") == "bf16",
        "autocast_adapter_dtype": True,
        "generation_kwargs": {"max_new_tokens": evaluate.get("max_new_tokens"), "do_sample": False},
        "attn_implementation": None,
        "init_kv_cache_prefix": None,
    }


def _meta_info(record: RunRecord) -> dict[str, Any]:
    packages, platform = record.environment.packages, record.environment.platform
    versions = {
        f"{name}-{what}": packages.get(name) if what == "version" else None
        for name in ("transformers", "peft", "datasets", "bitsandbytes", "torch")
        for what in ("version", "commit-hash")
    }
    system, _, release = platform.partition("-")
    return {
        "model_info": {"sha": record.cell.get("base_fingerprint"), "created_at": None},
        "dataset_info": {
            str(record.keys.task["name"]): {"sha": record.cell.get("task_fingerprint"), "created_at": None}
        },
        "package_info": versions,
        "system_info": {
            "system": system,
            "release": release,
            "version": "",
            "machine": "",
            "processor": record.environment.cpu,
            "accelerator": record.environment.gpu or "cpu",
        },
        "pytorch_info": f"torch {packages.get('torch')}",
        "rlvr_bench": {
            "version": packages.get("rlvr-bench"),
            "cell_id": record.cell_id,
            "comparison": record.comparison,
            "status": record.status,
            "signal": record.keys.signal["type"],
            "reward": record.keys.reward["name"],
            "notes": NOTES,
        },
    }


def _test(record: RunRecord) -> Score:
    score = record.score("tuned", str(record.keys.task["name"]), "test")
    if score is None or score.greedy is None:
        raise RecordError(
            f"cell {record.cell_id} has no greedy accuracy on its test split, by which PEFT's comparison ranks; export "
            "a run that was scored there"
        )
    return score


def _last_loss(record: RunRecord, steps: Sequence[StepRecord]) -> float:
    losses = [step.loss for step in steps if step.loss is not None]
    if not losses:
        raise RecordError(f"cell {record.cell_id} has no step with a loss; export a run whose steps are kept")
    return losses[-1]


def _batch(signal: Mapping[str, Any]) -> int:
    """Return the completions of one optimizer step."""
    if "batch_size" in signal:
        return int(signal["batch_size"])
    rollouts = int(signal.get("prompts_per_batch", 1)) * int(signal.get("group_size", 1))
    return rollouts // int(signal.get("updates_per_batch", 1))


def _tokens(record: RunRecord) -> int | None:
    return record.cost.tokens if record.ledger is None else record.ledger.learned_tokens
