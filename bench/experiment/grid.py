"""The grid of an experiment: every base, task, signal, reward and method entry once, and all of that for every seed."""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from rlvr_bench.experiment.cell import NOT_DOWNLOADED, Cell, with_plugin_files
from rlvr_bench.experiment.entries import refuse_ranks_above_matrices, selected_entries, settings_of_a_cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.interventions import changed_fingerprint
from rlvr_bench.experiment.interventions import resolve as resolve_interventions
from rlvr_bench.experiment.measurements import resolve as resolve_measurements
from rlvr_bench.experiment.protocol import Tuning
from rlvr_bench.experiment.signals import SftRlvrSettings, SftSettings, Signal
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import NotDownloadedError
from rlvr_bench.models.fingerprint import fingerprint
from rlvr_bench.record.memo import remembered
from rlvr_bench.tasks import prompts, rewards, solutions
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.errors import NotDownloadedError as DataNotDownloadedError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.task import Task


def cells(
    experiment: Experiment,
    *,
    only: str | None = None,
    seeds: tuple[int, ...] | None = None,
    data_dir: Path | None = None,
    tuning: Mapping[str, Tuning] | None = None,
    stop_dead: float | None = None,
    fetch: bool = True,
) -> list[Cell]:
    """Resolve the grid of an experiment, seeds outermost so that every method gets its first seed early.

    Args:
        only: a glob on method names.
        seeds: instead of the experiment's own.
        data_dir: folder of data-set files.
        tuning: how the settings of a method were found, by its name.
        stop_dead: share of its steps without a right completion after which a cell is stopped.
        fetch: whether what is not here is fetched, or an error; else it is `NOT_DOWNLOADED`, and the cells are for a
            plan only.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the grid names something that does not exist, or twice.
    """
    entries = selected_entries(experiment, only)
    shared = {
        "evaluate": experiment.evaluate,
        "extra_fingerprints": _extra_fingerprints(experiment, data_dir, fetch),
        "measurements": resolve_measurements(experiment.measurements),
        "seed": 0,
        "stop_dead": stop_dead,
        "data_dir": data_dir,
        "keep_weights": experiment.keep_weights,
    }
    refuse_ranks_above_matrices(experiment, entries)
    methods = [settings_of_a_cell(name, *entry, (tuning or {}).get(name)) for name, entry in entries.items()]
    tasks = [
        {"task": settings, "task_fingerprint": fingerprint_}
        for settings, fingerprint_ in _tasks(experiment, data_dir, fetch)
    ]
    firsts = [
        with_plugin_files(Cell(**base, **task, signal=signal, reward=reward, **method, **shared))
        for base in _bases(experiment, fetch)
        for task in tasks
        for signal in experiment.signals
        for reward in _rewards(experiment, signal)
        for method in methods
    ]
    # Seeds last: all that a cell shares with its other seeds is resolved and hashed once.
    grid = [first.with_seed(seed) for seed in seeds or experiment.seeds for first in firsts]
    if len({(cell.id, cell.method_name) for cell in grid}) < len(grid):
        raise ExperimentError(
            f'"{experiment.name}" names a base, a task, a signal, a reward or an intervention twice; name each once'
        )
    return grid


def _extra_fingerprints(experiment: Experiment, data_dir: Path | None, fetch: bool) -> tuple[str, ...]:
    """Return the fingerprints of the tasks that are only scored."""
    return tuple(
        _fingerprint(str(settings["name"]), _task(json.dumps(settings), data_dir).fingerprint, fetch)
        for settings in experiment.evaluate.extra_tasks
    )


def _bases(experiment: Experiment, fetch: bool) -> list[dict[str, Any]]:
    """Return the keys of a cell that say which base it trains and how that is changed: each base under each change."""
    return [
        {
            "base": base,
            "interventions": interventions,
            "base_fingerprint": _fingerprint(base.name, partial(_base_fingerprint, base, interventions, fetch), fetch),
        }
        for base in experiment.bases
        for interventions in map(resolve_interventions, experiment.interventions)
    ]


def _base_fingerprint(base: BaseConfig, interventions: Mapping[str, Mapping[str, Any]], fetch: bool) -> str:
    return changed_fingerprint(fingerprint(base, fetch), interventions)


def _fingerprint(name: str, of: Callable[[], str], fetch: bool) -> str:
    """Return a fingerprint, or that there is none because of what is not downloaded and not to be fetched."""
    try:
        return of()
    except (NotDownloadedError, DataNotDownloadedError):
        if fetch:
            raise
        return NOT_DOWNLOADED + name


def _tasks(experiment: Experiment, data_dir: Path | None, fetch: bool) -> list[tuple[dict[str, Any], str]]:
    """Return the settings and the fingerprint of every task that is trained on; only data that are here are checked."""
    prompts.render("", "", experiment.evaluate.prompt, chat=False)
    for reward in experiment.rewards:
        rewards.label_request(reward)
    tasks = []
    for settings in experiment.tasks:
        task = _task(json.dumps(settings), data_dir)
        if _is_drawn(settings):
            fingerprint_, available = remembered("tasks", [json.dumps(settings).encode()], partial(_facts, task))
        else:
            fingerprint_, available = _fingerprint(task.name, task.fingerprint, fetch), None
        if not fingerprint_.startswith(NOT_DOWNLOADED):
            _check(experiment, task, len(task.problems("train")) if available is None else available)
        tasks.append((settings, fingerprint_))
    return tasks


def _is_drawn(settings: Mapping[str, Any]) -> bool:
    """Whether the problems of a task follow from its settings and this package alone: no file, no plug-in."""
    return settings["name"] in (*FAMILIES, "mixture")


def _facts(task: Task) -> tuple[str, int]:
    """Return what a plan needs to know of a task; to draw 10,000 problems for it takes a second."""
    return task.fingerprint(), len(task.problems("train"))


@lru_cache(maxsize=32)
def _task(settings: str, data_dir: Path | None) -> Task:
    """Return the task of these settings, written as JSON: its problems are drawn or read once for all grids."""
    return task_registry.create(json.loads(settings), data_dir)


def _rewards(experiment: Experiment, signal: Signal) -> list[dict[str, Any]]:
    """Return the rewards that a signal is trained under: the experiment's, or the only one that it knows."""
    if signal.fixed_reward is not None:
        return [{"name": signal.fixed_reward}]
    return [rewards.resolve(reward) for reward in experiment.rewards]


def _check(experiment: Experiment, task: Task, available: int) -> None:
    """Raise what would otherwise end every cell: a solution, or enough of the `available` train problems."""
    for signal in experiment.signals:
        needed = signal.problems_needed
        if available < needed:
            raise ExperimentError(
                f"task {task.name!r} has {available} train problems, a batch of {signal.type} asks {needed}; lower "
                f"signal.{signal.problems_key}, or choose a task with more"
            )
        if isinstance(signal, SftSettings | SftRlvrSettings):
            solutions.gold(task, task.problems("train")[0])
