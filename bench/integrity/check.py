"""Is a results folder sound: every record readable, consistent and in its place, every derived file what they give?

A fault is one sentence: where, what, and the fix. Nothing is changed. The collapse label of a run is not derived again;
that it agrees with the run's status is checked.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rlvr_bench.integrity.derived import leaderboard_faults, report_faults
from rlvr_bench.integrity.run import run_faults
from rlvr_bench.record import store

Check = Callable[[Path, store.Loaded], list[str]]
"""From a results folder and what was read of its records to its faults."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The faults of a results folder; how many records could be read, and how many of them have no digest."""

    faults: list[str]
    records: int
    without_digest: int


def check(results: Path, also: Iterable[Check] = ()) -> Checked:
    """Check a results folder, by further checks too; it is sound if there is no fault.

    A record without a digest was written before there were any; that is no fault.
    """
    records, problems = loaded = store.load_all(results)
    faults = [str(problem) for problem in problems]
    faults += _misplaced(results)
    reader = store.StepReader(results)
    for record in records:
        faults += run_faults(results, record, reader)
    faults += leaderboard_faults(results, records) + report_faults(results)
    faults += [fault for look in also for fault in look(results, loaded)]
    return Checked(faults, len(records), sum(record.digest is None for record in records))


def _misplaced(results: Path) -> list[str]:
    runs = results / "runs"
    read = set(runs.glob(f"*/*/*/{store.RUN_FILE}"))
    return [
        f"{path}: records lie in runs/<comparison>/<method>/<seed and cell id>/; move it there, or delete it"
        for path in sorted(runs.rglob(store.RUN_FILE))
        if path not in read
    ]
