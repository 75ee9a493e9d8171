"""What the package offers to Python: run an experiment, read a results folder. `rlvr_bench` itself offers these names.

The command line says what happens as it happens; these functions print nothing, and return what can be computed with.
"""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr_bench.experiment.changes import Changes
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.seeds import distinct_seeds
from rlvr_bench.grid.run import FAILED_EXIT, INTERRUPTED_EXIT, run_experiment
from rlvr_bench.grid.watcher import Unwatched
from rlvr_bench.leaderboard.columns import BY_NAME, Row, json_row
from rlvr_bench.leaderboard.standings import leaderboard, step_reader
from rlvr_bench.plugins.file import use
from rlvr_bench.record import store
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.sweep.phases import Phases
from rlvr_bench.sweep.protocol_trials import Selection

if TYPE_CHECKING:
    import pandas as pd


def run(
    experiment: str | Path,
    results: str | Path = "results",
    *,
    base: str | None = None,
    task: str | None = None,
    settings: Mapping[str, Any] | None = None,
    only: str | None = None,
    seeds: Iterable[int] | None = None,
    data_dir: str | Path | None = None,
    plugins: Iterable[str | Path] = (),
    workers: int | None = None,
    threads: int = 1,
    budget: float | None = None,
) -> "pd.DataFrame":
    """Train and score the cells of an experiment that are not done yet, as `rlvr-bench run` does.

    Cells are processes of their own: a script calls this under `if __name__ == "__main__":`.

    Args:
        experiment: a preset's name, or the path of a TOML file.
        results: the folder that records and leaderboard are written to; locked meanwhile.
        base: train this base instead of the experiment's: an organism, a folder, a GGUF file or a hub id.
        task: train on this task, at its defaults, instead of the experiment's.
        settings: keys of the experiment and their values, such as `{"signal.steps": 4}`.
        only: only the methods that match this glob.
        seeds: distinct whole numbers from 0, instead of the experiment's own.
        data_dir: folder of data-set files.
        plugins: Python files with methods, rewards, tasks or measurements of your own.
        workers: cells at a time, at least 1; None for as many as there is room for.
        threads: processor threads of each cell, at least 1.
        budget: seconds after which no cell is started any more; None for no end.

    Returns:
        The leaderboard's rows of these cells, columns as `results` has them. Where a cell failed or is invalid, its row
        says so under `status`, and a UserWarning comes with it.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the experiment names what does not exist or cannot be.
        ValueError: a seed is negative or stands twice.
        PluginError: a plug-in file cannot be used.
        ResultsInUseError: another process holds the results folder.
        RecordError: the leaderboard cannot be written.
        KeyboardInterrupt: the user interrupted; the same call goes on from there.
    """
    for path in plugins:
        use(Path(path))
    changes = Changes(base, task, tuple((settings or {}).items()))
    chosen = None if seeds is None else distinct_seeds(tuple(seeds))
    selection = Selection(only, chosen, None if data_dir is None else Path(data_dir))
    loaded = load(str(experiment), changes)
    loaded.check_trackers()
    phases = Phases(loaded, selection)
    listener = _Sentences()
    done = run_experiment(phases, Path(results), workers, threads=threads, budget=budget, watcher=listener)
    if done.exit_code == INTERRUPTED_EXIT:
        raise KeyboardInterrupt(done.message)
    if done.exit_code == FAILED_EXIT:
        said = "; ".join(listener.sentences)
        warnings.warn(f"some cells failed, are invalid or could not be settled: {said}", stacklevel=2)
    return _frame(done.rows)


def results(folder: str | Path = "results") -> "pd.DataFrame":
    """Return the leaderboard that the records of a folder give; nothing is written.

    Returns:
        One row for each row of the leaderboard, and every column of `leaderboard-all.csv`: accuracies and shares in
        [0, 1], rounded as in the file; an undefined value is NaN or None, never 0. `method_config` holds dictionaries.

    Raises:
        RecordError: the folder holds no records, or one of them cannot be read.
    """
    records = load_records(folder)
    return _frame([standing.row for standing in leaderboard(records, step_reader(Path(folder)))])


def load_records(folder: str | Path = "results") -> list[RunRecord]:
    """Return every run record of a results folder, packed or not: one trained and scored cell each.

    Raises:
        RecordError: the folder holds no records, or one of them cannot be read: the first that cannot.
    """
    path = Path(folder)
    if not store.has_records(path):
        raise RecordError(f"{path} holds no run records; run an experiment, or name another folder")
    records, problems = store.load_all(path)
    if problems:
        raise problems[0]
    return records


def _frame(rows: Iterable[Row]) -> "pd.DataFrame":
    import pandas as pd  # takes longer than all the rest, and whoever wants records alone has no need of it

    return pd.DataFrame([json_row(row) for row in rows], columns=list(BY_NAME))


class _Sentences(Unwatched):
    """Keeps what a run says, for the warning."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, *sentences: str) -> None:
        """Keep them."""
        self.sentences += sentences
