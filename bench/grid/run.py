"""One `rlvr-bench run`: lock, plan, cells, leaderboard, the difference to a reference.

An experiment is one stage or several; the cells of a stage follow from the records of those before.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.grid.display import RunDisplay
from rlvr_bench.grid.prepare import prepare_bases
from rlvr_bench.grid.prepare_labels import prepare_labels
from rlvr_bench.launch import local
from rlvr_bench.launch.launcher import Launcher
from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.differences import Difference, compare
from rlvr_bench.leaderboard.file import LEADERBOARD_FILE, to_csv
from rlvr_bench.leaderboard.history import keep_committed
from rlvr_bench.leaderboard.standings import Standing, leaderboard
from rlvr_bench.plan.states import PlannedCell, plan
from rlvr_bench.record import store
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.lock import results_lock
from rlvr_bench.sweep.phases import Phase

FAILED_EXIT = 1
INTERRUPTED_EXIT = 130


@dataclass(frozen=True, slots=True)
class GridResult:
    """What a run leaves to be shown: its rows, what differs from a reference (None: not asked), and how it ended."""

    rows: list[Row]
    differences: list[Difference] | None
    exit_code: int
    message: str = ""


def run_experiment(
    stages: Sequence[Phase],
    results: Path,
    workers: int | None,
    *,
    launch: Launcher = local.run,
    threads: int = 1,
    stale: bool = False,
    reference: Path | None = None,
) -> GridResult:
    """Run what is not done yet, renew the leaderboard, and return its rows of these cells with the exit code.

    Args:
        stages: the experiment's cells, stage by stage; those whose record is there already are not run again.
        results: the results folder; locked meanwhile.
        workers: cells at a time, each in a process of its own; None for as many as there is room for.
        launch: where they run.
        threads: processor threads of each cell.
        stale: run cells again whose result came from another environment.
        reference: a results folder whose leaderboard the rows are compared with.

    Raises:
        ResultsInUseError: another process holds the results folder.
        RecordError: the leaderboard cannot be written.
    """
    cells, faults, interrupted = list[Cell](), list[str](), False
    with results_lock(results):
        for stage in stages:
            records, problems = store.load_all(results)
            asked = stage(records)
            _say(*map(str, problems), *asked.remarks, *asked.faults)
            cells += asked.cells
            faults += asked.faults
            planned = plan(asked.cells, results, records)
            todo = [entry.cell for entry in planned if entry.runs or (stale and entry.state == "stale")]
            _announce(planned, todo, results)
            prepare_bases(todo)
            prepare_labels(todo, threads)
            interrupted = _interrupted(todo, results, workers, threads, launch)
            if interrupted:
                break
        standings = renew_leaderboard(results)
        finished = plan(cells, results, store.load_all(results)[0])
    comparisons = {cell.comparison for cell in cells}
    shown = [standing for standing in standings if standing.row["comparison"] in comparisons]
    differences = None if reference is None else compare(shown, _reference(reference, comparisons))
    rows = [standing.row for standing in shown]
    if interrupted:
        done = sum(not entry.runs for entry in finished)
        left = f"stopped: {done} of {len(cells)} cells are done; the same command goes on from there"
        return GridResult(rows, differences, INTERRUPTED_EXIT, left)
    bad = faults or any(_is_bad(entry) for entry in finished)
    return GridResult(rows, differences, FAILED_EXIT if bad else 0)


def _reference(folder: Path, comparisons: set[str]) -> list[Standing]:
    """Return the reference's standings in these comparisons; says what of it cannot be read."""
    records, problems = store.load_all(folder)
    _say(*(str(problem) for problem in problems))
    if not records:
        _say(f"{folder} holds no run records to compare with")
    return [standing for standing in leaderboard(records) if standing.row["comparison"] in comparisons]


def renew_leaderboard(results: Path) -> list[Standing]:
    """Derive `leaderboard.csv` from the records of a folder; a record that cannot be read is said and left out.

    The committed leaderboard is kept in `history/` if it was another.
    """
    records, problems = store.load_all(results)
    _say(*(str(problem) for problem in problems))
    standings = leaderboard(records)
    content = to_csv(standing.row for standing in standings)
    kept = keep_committed(results, content)
    write_whole(results / LEADERBOARD_FILE, content)
    if kept is not None:
        _say(f"the committed leaderboard is kept as {kept}")
    return standings


def _interrupted(todo: list[Cell], results: Path, workers: int | None, threads: int, launch: Launcher) -> bool:
    """Run cells and return whether the user interrupted."""
    if not todo:
        return False
    with RunDisplay(len(todo)) as display:
        try:
            launch(todo, results, workers, threads, display)
        except KeyboardInterrupt:
            return True
    return False


def _announce(planned: list[PlannedCell], todo: list[Cell], results: Path) -> None:
    kept = len(planned) - len(todo)
    _say(f"{len(todo)} cells to run, {kept} already in {results}")
    moved = {entry.why for entry in planned if entry.state == "stale" and not entry.runs and entry.cell not in todo}
    for why in sorted(moved):
        _say(f"kept, though from another environment ({why}); --stale runs them again")


def _is_bad(entry: PlannedCell) -> bool:
    return entry.runs or (entry.record is not None and entry.record.status in ("failed", "invalid"))


def _say(*sentences: str) -> None:
    for sentence in sentences:
        print(sentence, file=sys.stderr, flush=True)
