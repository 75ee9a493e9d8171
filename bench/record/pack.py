"""`results pack`: from a folder a cell to two files a comparison, one of records and one of steps.

Each file is written whole or not at all, steps first, because a cell counts as packed once its line is there. Folders
are removed after both files are on disk and read back equal; a crash in between leaves a folder beside its packed form,
and the folder is what is read. A comparison with a record that cannot be read is packed but for that record, whose
folder stays; one whose packed file has an unreadable line is left as it is.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlvr_bench.record import compact, store
from rlvr_bench.record.atomic import disk_errors, write_whole
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.machine_paths import without_paths
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.record.step_table import read_steps as read_step_table
from rlvr_bench.record.step_table import write_steps


@dataclass(slots=True)
class Packing:
    """What packing did: comparisons that were written, cells whose folders were packed, and what could not be."""

    comparisons: int = 0
    cells: int = 0
    faults: list[RecordError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of one comparison, in the order of their folders."""

    records: list[RunRecord]
    steps: dict[str, Sequence[StepRecord]]


def pack(results: Path, again: bool = False) -> Packing:
    """Pack the run folders of a results folder, into what is packed already; the caller holds its lock.

    Args:
        results: the folder.
        again: also write comparisons of which nothing is new, in today's form.

    Raises:
        RecordError: a file cannot be written; everything else is kept.
    """
    done = Packing()
    names = {path.name for path in (results / store.RUNS_FOLDER).glob("*") if path.is_dir()}
    if again:
        names |= {path.name.removesuffix(store.PACKED) for path in store.packed_files(results)}
    for name in sorted(names):
        try:
            unpacked, faults = _in_folders(results, name)
            done.faults += faults
            if unpacked.records or again:
                _write(results, name, _merged(_packed(results, name), unpacked))
                _remove(results, unpacked.records)
                done.comparisons += 1
                done.cells += len(unpacked.records)
            _remove_leftovers(results, name)
        except RecordError as fault:
            done.faults.append(fault)
    _remove_if_empty(results / store.RUNS_FOLDER)
    return done


def packed_document(record: RunRecord) -> dict[str, Any]:
    """Return a record as its line holds it before values are shared: without defaults, without a machine's paths."""
    document = record.model_dump(mode="json", exclude_defaults=True) | {"schema_version": record.schema_version}
    return without_paths(document)


def _in_folders(results: Path, comparison: str) -> tuple[_Cells, list[RecordError]]:
    cells, faults = _Cells([], {}), []
    for path in sorted((results / store.RUNS_FOLDER / comparison).glob(f"*/*/{store.RUN_FILE}")):
        try:
            record = store.read_run(path)
            if (expected := store.folder_of(results, record)) != path.parent:
                raise RecordError(f"{path}: its content belongs in {expected}; move it there, or delete it")
            cells.steps[record.cell_id] = store.read_steps(path.parent)
            cells.records.append(record)
        except RecordError as fault:
            faults.append(fault)
    return cells, faults


def _packed(results: Path, comparison: str) -> _Cells:
    """Return what is packed of a comparison; raises RecordError for any line that cannot be read: none may be lost."""
    records = []
    for record in store.read_packed(store.packed_file(results, comparison)):
        if isinstance(record, RecordError):
            raise record
        records.append(record)
    table = read_step_table(store.packed_steps_file(results, comparison))
    return _Cells(records, {cell: table.steps(cell) for cell in table.cells})


def _merged(old: _Cells, new: _Cells) -> _Cells:
    # A cell that was run again since it was packed replaces its older line.
    renewed = {_place(record) for record in new.records}
    records = [*new.records, *(record for record in old.records if _place(record) not in renewed)]
    steps = old.steps | new.steps
    ordered = sorted(records, key=_place)
    return _Cells(ordered, {record.cell_id: steps.get(record.cell_id, []) for record in ordered})


def _write(results: Path, comparison: str, cells: _Cells) -> None:
    """Write both files and read them back; of a comparison without cells there are none.

    Raises:
        RecordError: they cannot be written, or are not read back as what was written.
    """
    if not cells.records:
        _remove_packed(results, comparison)
        return
    documents = [packed_document(record) for record in cells.records]
    # Steps first: a record whose steps are missing would be read as a run that made none.
    write_steps(store.packed_steps_file(results, comparison), cells.steps)
    path = store.packed_file(results, comparison)
    write_whole(path, compact.lines_of(documents))
    # The run folders are deleted next, so what the two files give is compared with what they were written from.
    read = _packed(results, comparison)
    if [packed_document(record) for record in read.records] != documents or not _equal(read.steps, cells.steps):
        raise RecordError(f"{path}: is not read back as it was written; its run folders stay, report this with one")


def _equal(read: Mapping[str, Sequence[StepRecord]], written: Mapping[str, Sequence[StepRecord]]) -> bool:
    """Whether steps are the same but for metrics without a value, of which a table holds no trace."""
    return {cell: [_defined(step) for step in steps] for cell, steps in read.items()} == {
        cell: [_defined(step) for step in steps] for cell, steps in written.items() if steps
    }


def _defined(step: StepRecord) -> dict[str, Any]:
    return {name: value for name, value in step.model_dump(mode="json").items() if value is not None}


def _remove(results: Path, records: Sequence[RunRecord]) -> None:
    """Remove folders that are packed: the record first, without which a folder is not read."""
    for record in records:
        folder = store.folder_of(results, record)
        with disk_errors(folder):
            (folder / store.RUN_FILE).unlink()
            (folder / store.STEPS_FILE).unlink(missing_ok=True)
        for parent in (folder, folder.parent, folder.parent.parent):
            _remove_if_empty(parent)


def _remove_leftovers(results: Path, comparison: str) -> None:
    """Remove the folders that a packing which was killed has emptied by half: steps whose record is packed."""
    folders = [path for path in (results / store.RUNS_FOLDER / comparison).glob("*/*") if path.is_dir()]
    left = [folder for folder in folders if not (folder / store.RUN_FILE).exists()]
    packed = {record.cell_id for record in _packed(results, comparison).records} if left else set()
    for folder in left:
        if folder.name.rpartition("-")[2] in packed:
            with disk_errors(folder):
                (folder / store.STEPS_FILE).unlink(missing_ok=True)
        for parent in (folder, folder.parent, folder.parent.parent):
            _remove_if_empty(parent)


def _remove_packed(results: Path, comparison: str) -> None:
    """Remove the files of a comparison that has no cells, records first: steps alone are what a crash leaves."""
    for path in (store.packed_file(results, comparison), store.packed_steps_file(results, comparison)):
        with disk_errors(path):
            path.unlink(missing_ok=True)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # not there, or not empty: samples may lie beside a record
        folder.rmdir()


def _place(record: RunRecord) -> tuple[str, str]:
    return record.keys.method_name, f"seed-{record.keys.seed}-{record.cell_id}"
