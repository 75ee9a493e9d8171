"""Is a results folder sound: every record readable, consistent and in its place, every derived file what they give?

A fault is one sentence: where, what, and the fix. Nothing is changed. The collapse label of a run is not derived again;
that it agrees with the run's status is checked.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from rlvr_bench.integrity.derived import leaderboard_faults, report_faults
from rlvr_bench.integrity.run import AGAIN, run_faults
from rlvr_bench.plugins.file import files
from rlvr_bench.plugins.registry import plugin_entries
from rlvr_bench.record import store
from rlvr_bench.record.documents import read_regular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.memo import remembered
from rlvr_bench.record.schema import RunRecord

Check = Callable[[Path, store.Loaded], list[str]]
"""From a results folder and what was read of its records to its faults."""

SETTINGS_GROUPS = tuple(
    f"rlvr_bench.{group}" for group in ("methods", "tasks", "rewards", "measurements", "interventions")
)
"""Entry points of what has settings of its own in a cell."""

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
    before = _packed_digests(results)
    records, problems = loaded = store.load_all(results)
    # What was read is what was hashed: a file that was written between the two is looked through, and nothing kept.
    known = {name: digest for name, digest in _packed_digests(results).items() if before.get(name) == digest}
    faults = [str(problem) for problem in problems]
    faults += _misplaced(results)
    reader, suspects, plugins = store.StepReader(results), list[RunRecord](), _plugins_are_here()
    cells = set(store.packed_comparisons(results))
    for comparison, group in groupby(records, key=lambda record: record.comparison):
        own = list(group)
        look = partial(_look_through, results, own, reader)
        packed = comparison in known and all(reader.folder(record) is None for record in own)
        found = remembered("integrity", [known[comparison]], look) if packed and not plugins else look()
        suspects += [record for record in own if record.cell_id in found["suspects"]]
        faults += _without_record(results, comparison, found["lost"])
        cells.discard(comparison)  # of what is left there is no record that can be read
    faults += [fault for comparison in sorted(cells) for fault in _empty(results, comparison, reader)]
    faults += _lasting(results, suspects)
    faults += leaderboard_faults(results, records) + report_faults(results)
    faults += [fault for look in also for fault in look(results, loaded)]
    return Checked(faults, len(records), sum(record.digest is None for record in records))


def _look_through(results: Path, records: Sequence[RunRecord], reader: store.StepReader) -> dict[str, list[str]]:
    """Return the ids of one comparison: of the records that have faults, and of cells with steps and no record."""
    suspects = [record.cell_id for record in records if run_faults(results, record, reader)]
    return {"suspects": suspects, "lost": _lost(records[0].comparison, {one.cell_id for one in records}, reader)}


def _packed_digests(results: Path) -> dict[str, bytes]:
    """Return a hash of the files of each packed comparison that can be read."""
    digests = {}
    for comparison in store.packed_comparisons(results):
        digest = hashlib.sha256()
        with suppress(RecordError):
            for path in (store.packed_file(results, comparison), store.packed_steps_file(results, comparison)):
                content = read_regular(path)
                digest.update(len(content).to_bytes(8, "little") + content)
            digests[comparison] = digest.digest()
    return digests


def _plugins_are_here() -> bool:
    """Whether the code of others is asked what a cell's id is: it may change without our knowing."""
    points = [point for group in SETTINGS_GROUPS for found in plugin_entries(group).values() for point in found]
    return bool(files()) or not all(point.value.startswith("rlvr_bench.") for point in points)


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
    return [] if path.exists() else _without_record(results, comparison, _lost(comparison, set(), reader))


def _lost(comparison: str, cells: set[str], reader: store.StepReader) -> list[str]:
    """Return the ids of the cells with packed steps that are not among `cells`."""
    try:
        return sorted(reader.packed_cells(comparison) - cells)
    except RecordError:  # said of each record
        return []


def _without_record(results: Path, comparison: str, lost: Sequence[str]) -> list[str]:
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
