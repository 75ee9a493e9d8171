"""The contamination probe on one model and one task, by group of problems."""

from pathlib import Path
from typing import Any

from rlvr_bench.console.progress import Watcher
from rlvr_bench.evaluate.contamination import contamination, groups, planted_in
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import create_for
from rlvr_bench.models.base import load
from rlvr_bench.models.config import base_named
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Split


def probe(
    base: str, task: dict[str, Any], split: Split, count: int | None, data_dir: Path | None, watcher: Watcher
) -> dict[str, Any]:
    """Probe a model on the first `count` problems of a split (None: all), by group of problems.

    `watcher` has a bar for each group while it is probed.

    Raises:
        ModelError, TaskError: the model or the task cannot be had.
        ValueError: the split has no problems.
    """
    loaded, drawn_task = load(base_named(base)), task_registry.create(task, data_dir)
    backend, settings = create_for("auto", loaded.model), EvaluateSettings()
    problem_groups = groups(drawn_task.problems(split)[:count], planted_in(base_named(base)))
    probed = {}
    for name, problems in problem_groups.items():
        with watcher.bar(f"{len(problems)} problems ({name})") as report:
            probed[name] = contamination(
                loaded.model, loaded.tokenizer, drawn_task, problems, settings, backend, report
            )
    return probed
