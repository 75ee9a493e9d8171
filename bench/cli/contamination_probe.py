"""The verb `rlvr-bench contamination`: the probe on one model and one task."""

from pathlib import Path
from typing import Any

from rlvr_bench.evaluate.contamination import SHARES, contamination, groups, planted_in
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import create_for
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Split

COLUMNS = ["problems", "n", "share", "exact", "rouge_l", "answer", "question_perplexity", "answer_perplexity"]


def probe(base: str, task: dict[str, Any], split: Split, count: int | None, data_dir: Path | None) -> dict[str, Any]:
    """Probe a model on the first `count` problems of a split (None: all), by group of problems.

    Raises:
        ModelError, TaskError: the model or the task cannot be had.
        ValueError: the split has no problems.
    """
    loaded, made = load(BaseConfig(name=base)), task_registry.create(task, data_dir)
    backend, settings = create_for("auto", loaded.model), EvaluateSettings()
    parts = groups(made.problems(split)[:count], planted_in(BaseConfig(name=base)))
    return {
        name: contamination(loaded.model, loaded.tokenizer, made, problems, settings, backend)
        for name, problems in parts.items()
    }


def as_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    """A line per group and share of the question that the model was given."""
    return [
        {"problems": name, "share": f"{share} %"} | _rounded(group | group[str(share)])
        for name, group in found.items()
        for share in SHARES
    ]


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in values.items()}
