"""A sweep: the trials of one study, each an ordinary cell for every trial seed, run by the launcher.

A cell that has its record already costs nothing, so a sweep, the first stage of a protocol and an earlier sweep share
what they have in common.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from optuna import Trial

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.record import store
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import Cause, RunRecord
from rlvr_bench.sweep.objectives import values_of
from rlvr_bench.sweep.pruners import Reports
from rlvr_bench.sweep.search import Search
from rlvr_bench.sweep.trial_queue import TrialQueue


@dataclass(slots=True)
class _Running:
    """A trial at work: cells that are still to run, one after the other, and the records of those that have."""

    trial: Trial
    cells: deque[Cell]
    reports: Reports
    records: list[RunRecord] = field(default_factory=list)


class Sweep:
    """Gives the launcher the cells of trials and tells the queue what became of them."""

    def __init__(self, search: Search, queue: TrialQueue, results: Path) -> None:
        self._search, self._queue, self._results = search, queue, results
        self._ready: deque[Cell] = deque()
        self._owners: dict[str, list[_Running]] = {}

    def cells(self) -> Iterator[Cell | None]:
        """Yield the next cell to run; None while there is none but may be again."""
        while True:
            if self._ready:
                yield self._ready.popleft()
                continue
            answer = self._queue.ask()
            if answer == "never":
                return
            if isinstance(answer, str):
                yield None
                continue
            self._begin(answer)

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> bool:
        """Hear the launcher; return whether to stop the cell."""
        self._queue.renew()
        if isinstance(message, Event):
            return self._watch(cell, message)
        if isinstance(message, Outcome):
            for running in self._owners.pop(cell.id):
                self._end_of_cell(running, message)
        return False

    def _begin(self, trial: Trial) -> None:
        cells = self._search.cells(trial.params)
        trial.set_user_attr("cells", [cell.id for cell in cells])
        self._advance(_Running(trial, deque(cells), Reports(self._search.pruner, trial, self._search.steps)))

    def _advance(self, running: _Running) -> None:
        """Take the records that are there, then run the next cell, or end the trial."""
        while running.cells:
            cell = running.cells[0]
            record = self._record(cell)
            if record is None or record.status == "failed":
                if cell.id not in self._owners:
                    self._ready.append(cell)
                self._owners.setdefault(cell.id, []).append(running)
                return
            running.cells.popleft()
            if not self._take(running, record):
                return
        values = values_of(self._search.objectives, running.records)
        if isinstance(values, str):
            self._queue.fail(running.trial, Cause(type="UndefinedObjective", message=f"a seed has no {values}"))
        else:
            self._queue.complete(running.trial, values)

    def _take(self, running: _Running, record: RunRecord) -> bool:
        """Take the record of a seed; return whether the trial goes on."""
        if record.status in ("failed", "invalid", "stale"):
            cause = record.cause or Cause(type=record.status, message=f"its record is {record.status}")
            self._queue.fail(running.trial, cause)
            return False
        running.records.append(record)
        if record.status == "collapsed":
            running.trial.set_user_attr("collapsed", sum(one.status == "collapsed" for one in running.records))
        if running.reports.take(record) and running.cells:
            self._queue.prune(running.trial)
            return False
        return True

    def _end_of_cell(self, running: _Running, outcome: Outcome) -> None:
        cell = running.cells[0]
        record = self._record(cell)
        if record is None or record.status == "failed":
            cause = record.cause if record is not None else None
            cause = cause or Cause(type="NoRecord", message=outcome.message or "no record")
            self._queue.fail(running.trial, cause, may_pass=True)
            return
        self._advance(running)

    def _watch(self, cell: Cell, event: Event) -> bool:
        owners = self._owners[cell.id]
        stop = [running for running in owners if running.reports.hear(event)]
        if len(stop) < len(owners):
            return False
        for running in self._owners.pop(cell.id):
            self._queue.prune(running.trial)
        return True

    def _record(self, cell: Cell) -> RunRecord | None:
        with suppress(RecordError):
            return store.read_cell(
                self._results, comparison=cell.comparison, method=cell.method_name, seed=cell.seed, cell_id=cell.id
            )
        return None
