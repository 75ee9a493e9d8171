"""Is a results folder sound: every record readable, consistent and in its place, every derived file what they give?

A fault is one sentence: where, what, and the fix. Nothing is changed. The collapse label of a run is not derived again;
that it agrees with the run's status is checked.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from rlvr_bench.integrity.derived import leaderboard_faults, report_faults
from rlvr_bench.integrity.run import AGAIN, run_faults
from rlvr_bench.record import store
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord

Check = Callable[[Path, store.Loaded], list[str]]
"""From a results folder and what was read of its records to its faults."""

SECOND_LOOK_AFTER = 0.2
"""Seconds: many times what lies between the writing of a cell's steps and of its record."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The faults of a results folder; how many records could be read, and how many of them have no digest."""

    faults: list[str]
    records: int
    without_digest: int


def check(results: Path, also: Iterable[Check] = ()) -> Checked:
    """Check a results folder, by further checks too; it is sound if there is no fault.

    A record of an older result schema without a digest was written before there were any; that is no fault.
    """
    records, problems = loaded = store.load_all(results)
    faults = [str(problem) for problem in problems]
    faults += _misplaced(results)
    reader, suspects = store.StepReader(results), list[RunRecord]()
    cells: dict[str, set[str]] = {name: set() for name in store.packed_comparisons(results)}
    for comparison, own in groupby(records, key=lambda record: record.comparison):
        known = cells.setdefault(comparison, set())
        for record in own:
            if run_faults(results, record, reader):
                suspects.append(record)
            known.add(record.cell_id)
        faults += _without_record(results, comparison, known, reader)
        del cells[comparison]  # of what is left there is no record that can be read
    faults += [fault for comparison in cells for fault in _empty(results, comparison, reader)]
    faults += _lasting(results, suspects)
    faults += leaderboard_faults(results, records) + report_faults(results)
    faults += [fault for look in also for fault in look(results, loaded)]
    return Checked(faults, len(records), sum(record.digest is None for record in records))


def _lasting(results: Path, suspects: Sequence[RunRecord]) -> Iterator[str]:
    """Yield the faults of records that a second look shows too.

    A cell that is run again has its new steps before its new record, and its record was read before its steps.
    """
    if suspects:
        time.sleep(SECOND_LOOK_AFTER)
    reader = store.StepReader(results)
    for suspect in suspects:
        path = store.folder_of(results, suspect) / store.RUN_FILE
        try:
            record = store.read_run(path) if path.exists() else suspect
        except RecordError as error:
            if path.exists():
                yield str(error)
                continue
            record = suspect  # packed since
        yield from run_faults(results, record, reader)


def _empty(results: Path, comparison: str, reader: store.StepReader) -> list[str]:
    """Return what is left of a comparison without a record: files of nothing, or steps alone."""
    path = store.packed_file(results, comparison)
    if path.is_file() and not path.stat().st_size:
        steps = store.packed_steps_file(results, comparison).name
        return [f"{path}: holds no record; restore it from git, or delete it with {steps}"]
    return [] if path.exists() else _without_record(results, comparison, set(), reader)


def _without_record(results: Path, comparison: str, cells: set[str], reader: store.StepReader) -> list[str]:
    try:
        lost = sorted(reader.packed_cells(comparison) - cells)
    except RecordError:  # said of each record
        return []
    path = store.packed_steps_file(results, comparison)
    return [f"{path}: has steps of cell {cell}, of which there is no record; {AGAIN}" for cell in lost]


def _misplaced(results: Path) -> list[str]:
    runs = results / "runs"
    read = set(runs.glob(f"*/*/*/{store.RUN_FILE}"))
    return [
        f"{path}: records lie in runs/<comparison>/<method>/<seed and cell id>/; move it there, or delete it"
        for path in sorted(runs.rglob(store.RUN_FILE))
        if path not in read
    ]
