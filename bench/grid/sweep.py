"""One `rlvr-bench sweep`: open the study, run its trials, and say what came out."""

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna import Study
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.search_space import settings_at
from rlvr_bench.grid.prepare import prepare_bases, prepare_products
from rlvr_bench.grid.prepare_labels import prepare_labels
from rlvr_bench.grid.run import FAILED_EXIT, INTERRUPTED_EXIT
from rlvr_bench.grid.watcher import CellListener, GridWatcher, Unwatched
from rlvr_bench.launch import local
from rlvr_bench.launch.launcher import Launcher
from rlvr_bench.record.lock import results_lock
from rlvr_bench.sweep import pruners
from rlvr_bench.sweep.objectives import OBJECTIVES
from rlvr_bench.sweep.optimise import Sweep
from rlvr_bench.sweep.search import Search
from rlvr_bench.sweep.study_storage import open_storage
from rlvr_bench.sweep.trial_queue import CAUSE, TrialQueue, settings_of, standing


def run_sweep(
    search: Search,
    storage: str | None,
    results: Path,
    workers: int | None,
    *,
    launch: Launcher = local.run,
    threads: int = 1,
    watcher: GridWatcher | None = None,
) -> tuple[dict[str, Any], int]:
    """Run what of a study is not done; return it as JSON-able data, and the exit code.

    Several commands may share the study and the folder. Raises ExperimentError for a storage that cannot be opened,
    ResultsInUseError while `run` holds the folder.
    """
    watcher = watcher or Unwatched()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    points = search.points()
    study, turn_file = _open(search, storage, results)
    interrupted = False
    with results_lock(results, shared=True):
        queue = TrialQueue(
            study,
            turn_file,
            search.distributions(),
            search.trials,
            points,
            None if points is not None else search.adaptive_sampler,
        )
        first = search.cells(points[0] if points else _middle(search))
        prepare_bases(first, watcher)
        prepare_products(first, threads)
        prepare_labels(first, threads, watcher)
        sweep = Sweep(search, queue, results)
        try:
            with watcher.cells(search.trials * len(search.experiment.seeds)) as listener:
                launch(sweep.cells(), results, workers, threads, _Listener(sweep, listener))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            queue.give_back()
    document = as_document(study, search)
    failed = any(trial["state"] == "fail" for trial in document["trials"])
    if interrupted:
        watcher.say("stopped: the same command goes on from there")
    return document, INTERRUPTED_EXIT if interrupted else FAILED_EXIT if failed else 0


def as_document(study: Study, search: Search) -> dict[str, Any]:
    """Return the study: its trials in order, and the numbers of the best (several for several objectives).

    A trial that was tried again is not among them: its second try is.
    """
    trials = standing(study.get_trials(deepcopy=False))
    done = any(trial.state == TrialState.COMPLETE for trial in trials)
    return {
        "study": study.study_name,
        "objectives": {name: OBJECTIVES[name].meaning for name in search.objectives},
        "best": [trial.number for trial in study.best_trials] if done else [],
        "trials": [_row(trial, search) for trial in trials],
    }


class _Listener:
    """The sweep and who watches it, as one listener."""

    def __init__(self, sweep: Sweep, listener: CellListener) -> None:
        self._sweep, self._listener = sweep, listener

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> bool:
        self._listener(cell, message)
        stops = self._sweep(cell, message)
        if stops:
            self._listener.forget(cell)
        return stops


def _open(search: Search, storage: str | None, results: Path) -> tuple[Study, Path]:
    opened, turn_file = open_storage(storage, results)
    directions = [StudyDirection[OBJECTIVES[name].direction.upper()] for name in search.objectives]
    try:
        study = optuna.create_study(
            storage=opened,
            study_name=search.study,
            directions=directions,
            pruner=pruners.create(search.pruner, search.steps),
            load_if_exists=True,
        )
    except optuna.exceptions.StorageInternalError as error:
        raise ExperimentError(f"--storage {storage}: {error}; check that the database can be reached") from error
    return study, turn_file


def _middle(search: Search) -> dict[str, Any]:
    return settings_at(search.space, [0.5] * len(search.space))


def _row(trial: FrozenTrial, search: Search) -> dict[str, Any]:
    values = (
        dict(zip(search.objectives, trial.values or [], strict=False)) if trial.state == TrialState.COMPLETE else {}
    )
    cause = trial.user_attrs.get(CAUSE)
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "settings": settings_of(trial),
        **{name: values.get(name) for name in search.objectives},
        "collapsed": trial.user_attrs.get("collapsed", 0),
        "cells": trial.user_attrs.get("cells", []),
        "cause": None if cause is None else f"{cause['type']}: {cause['message']}",
    }
