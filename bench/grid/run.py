"""One `rlvr-bench run`: lock, plan, cells, leaderboard, the difference to a reference.

An experiment is one stage or several; the cells of a stage follow from the records of those before.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.grid.prepare import prepare_bases, prepare_products
from rlvr_bench.grid.prepare_labels import prepare_labels
from rlvr_bench.grid.watcher import CellListener, GridWatcher, Unwatched
from rlvr_bench.launch import local
from rlvr_bench.launch.launcher import Launcher, Listener
from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.differences import Difference, compare
from rlvr_bench.leaderboard.file import contents
from rlvr_bench.leaderboard.standings import Standing, leaderboard, step_reader
from rlvr_bench.plan.states import PlannedCell, plan
from rlvr_bench.record import store
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.lock import results_lock
from rlvr_bench.sweep.phases import Phase

if TYPE_CHECKING:  # it brings optuna, which a run on one machine does not need
    from rlvr_bench.sweep.shared_trials import SharedTrials

FAILED_EXIT = 1
INTERRUPTED_EXIT = 130

Say = Callable[..., None]
"""Takes sentences for the user."""


Share = Callable[[str, Sequence[Cell]], "SharedTrials"]
"""From the name of a study and the cells of a stage to what shares them between machines."""


@dataclass(frozen=True, slots=True)
class GridResult:
    """What a run leaves to be shown: its rows, what differs from a reference (None: not asked), and how it ended."""

    rows: list[Row]
    differences: list[Difference] | None
    exit_code: int
    message: str = ""


def run_experiment(
    stages: Iterable[Phase],
    results: Path,
    workers: int | None,
    *,
    launch: Launcher = local.run,
    threads: int = 1,
    stale: bool = False,
    reference: Path | None = None,
    budget: float | None = None,
    share: Share | None = None,
    watcher: GridWatcher | None = None,
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
        budget: seconds after which no cell is started any more; those that run are finished.
        share: how the trials of a protocol are shared with other machines; None runs all of them here.
        watcher: is told how far it is.

    Raises:
        ResultsInUseError: another process holds the results folder.
        RecordError: the leaderboard cannot be written.
    """
    watcher = watcher or Unwatched()
    cells, faults, interrupted, late = list[Cell](), list[str](), False, False
    deadline = math.inf if budget is None else time.monotonic() + budget
    with results_lock(results):
        for stage in stages:
            # A stage follows from what the one before has written, by this process or by another machine.
            records, problems = store.load_all(results)
            work = stage(records)
            watcher.say(*map(str, problems), *work.remarks, *work.faults)
            cells += work.cells
            faults += work.faults
            planned = plan(work.cells, records)
            todo = [entry.cell for entry in planned if entry.runs or (stale and entry.state == "stale")]
            watcher.say(*_announcement(planned, todo, results))
            # What all cells need is made once, here: cells are processes of their own and would each make it.
            prepare_bases(todo, watcher)
            prepare_products(todo, threads)
            prepare_labels(todo, threads, watcher)
            shared = share(work.study, work.cells) if share and work.study and work.cells else None
            in_time = _in_time(shared.cells() if shared else todo, deadline)
            with shared or nullcontext():
                interrupted = _interrupted(todo, in_time, results, workers, threads, launch, watcher, shared)
            late = time.monotonic() > deadline
            if interrupted or late:
                break
        standings, whole = renew_leaderboard(results, watcher.say)
        # Read again, and not remembered: a record that could not be written or read back is no result.
        finished = plan(cells, store.load_all(results)[0])
    comparisons = {cell.comparison for cell in cells}
    shown = [standing for standing in standings if standing.row["comparison"] in comparisons]
    differences = None if reference is None else compare(shown, _reference(reference, comparisons, watcher.say))
    rows = [standing.row for standing in shown]
    if interrupted:
        done = sum(not entry.runs for entry in finished)
        left = f"stopped: {done} of {len(cells)} cells are done; the same command goes on from there"
        return GridResult(rows, differences, INTERRUPTED_EXIT, left)
    # Of a budget that is used up, cells that were not started are no failures.
    bad = faults or not whole or any(_is_bad(entry) for entry in finished if not (late and entry.record is None))
    unfinished = sum(entry.runs for entry in finished)
    message = f"the budget is used: {unfinished} cells of this stage are left; the same command goes on from there"
    return GridResult(rows, differences, FAILED_EXIT if bad else 0, message if late else "")


def _reference(folder: Path, comparisons: set[str], say: Say) -> list[Standing]:
    """Return the reference's standings in these comparisons; says what of it cannot be read."""
    records, problems = store.load_all(folder)
    say(*(str(problem) for problem in problems))
    if not records:
        say(f"{folder} holds no run records to compare with")
    return [
        standing for standing in leaderboard(records, step_reader(folder)) if standing.row["comparison"] in comparisons
    ]


class Renewed(NamedTuple):
    """The standings that a leaderboard was derived from, and whether every record of the folder is in them."""

    standings: list[Standing]
    whole: bool


def renew_leaderboard(results: Path, say: Say) -> Renewed:
    """Derive the leaderboard's files from the records of a folder; one that cannot be read is said and left out."""
    records, problems = store.load_all(results)
    say(*(str(problem) for problem in problems))
    standings = leaderboard(records, step_reader(results))
    for name, content in contents([standing.row for standing in standings]).items():
        write_whole(results / name, content)
    return Renewed(standings, not problems)


def _in_time(cells: Iterable[Cell | None], deadline: float) -> Iterator[Cell | None]:
    for cell in cells:
        if time.monotonic() > deadline:
            return
        yield cell


def _interrupted(
    todo: list[Cell],
    in_time: Iterable[Cell | None],
    results: Path,
    workers: int | None,
    threads: int,
    launch: Launcher,
    watcher: GridWatcher,
    shared: "SharedTrials | None",
) -> bool:
    """Run cells as they are given and return whether the user interrupted."""
    if not todo and shared is None:
        return False
    with watcher.cells(len(todo)) as listener:
        try:
            launch(in_time, results, workers, threads, _heard_by(listener, shared))
        except KeyboardInterrupt:
            return True
    return False


def _heard_by(listener: CellListener, shared: "SharedTrials | None") -> CellListener | Listener:
    if shared is None:
        return listener

    def hear(cell: Cell, message: Event | Outcome | None) -> None:
        listener(cell, message)
        shared(cell, message)

    return hear


def _announcement(planned: list[PlannedCell], todo: list[Cell], results: Path) -> list[str]:
    finished = len(planned) - len(todo)
    moved = {entry.why for entry in planned if entry.state == "stale" and not entry.runs and entry.cell not in todo}
    return [
        f"{len(todo)} cells to run, {finished} already in {results}",
        *(f"kept, though from another environment ({why}); --stale runs them again" for why in sorted(moved)),
    ]


def _is_bad(entry: PlannedCell) -> bool:
    return entry.runs or (entry.record is not None and entry.record.status in ("failed", "invalid"))
