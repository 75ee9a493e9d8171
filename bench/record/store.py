"""Where run records live in a results folder, and how they are written and read.

A cell that has just run is a folder, `runs/<comparison>/<method>/seed-<n>-<cell id>/`, with `run.json` and
`steps.jsonl` in it. `pack` turns the folders of a comparison into `records/<comparison>.jsonl` and `.steps.parquet`.
Everything reads both: a cell's folder stands in the place of its packed line, because it was run after that was packed.
Samples are kept in the cache (see `samples`).
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlvr_bench.record import compact, migrate
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.digest import digest_of
from rlvr_bench.record.documents import parse_json, read_regular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.machine_paths import without_paths
from rlvr_bench.record.numbers import STRICT_JSON, strict_json
from rlvr_bench.record.schema import SCHEMA_VERSION, RunRecord, StepRecord
from rlvr_bench.record.step_table import read_steps as read_step_table

RUNS_FOLDER, RECORDS_FOLDER = "runs", "records"
RUN_FILE = "run.json"
STEPS_FILE = "steps.jsonl"
PACKED, PACKED_STEPS = ".jsonl", ".steps.parquet"


def run_folder(results: Path, *, comparison: str, method: str, seed: int, cell_id: str) -> Path:
    """Return the folder of one cell's records."""
    return results / RUNS_FOLDER / comparison / method / f"seed-{seed}-{cell_id}"


def folder_of(results: Path, record: RunRecord) -> Path:
    """Return the folder that a record belongs in, packed or not."""
    keys = record.keys
    return run_folder(
        results, comparison=record.comparison, method=keys.method_name, seed=keys.seed, cell_id=record.cell_id
    )


def packed_file(results: Path, comparison: str) -> Path:
    """Return the file of a comparison's packed records."""
    return results / RECORDS_FOLDER / f"{comparison}{PACKED}"


def packed_steps_file(results: Path, comparison: str) -> Path:
    """Return the file of a comparison's packed steps."""
    return results / RECORDS_FOLDER / f"{comparison}{PACKED_STEPS}"


def has_records(results: Path) -> bool:
    """Whether a results folder holds records of either form."""
    return (results / RUNS_FOLDER).is_dir() or (results / RECORDS_FOLDER).is_dir()


def write_run(results: Path, record: RunRecord, steps: Sequence[StepRecord]) -> Path:
    """Write `steps.jsonl` and then `run.json`, each whole or not at all; return the path of `run.json`.

    A cell counts as run once its `run.json` is there, so that comes last. No path of this machine is written. The
    digest is taken anew of what is written.

    Raises:
        RecordError: the disk is full, or the folder cannot be written.
    """
    folder = folder_of(results, record)
    # A process may be killed between the two files: steps without a record are overwritten by the next run of the cell.
    write_whole(folder / STEPS_FILE, "".join(step.to_json() + "\n" for step in steps))
    document = without_paths(record.model_dump(mode="json", exclude={"digest"}))
    # Validated again, so that the digest is of what a reader of the file gets and not of what is in memory.
    document["digest"] = digest_of(RunRecord.model_validate(document), steps).model_dump(mode="json")
    write_whole(folder / RUN_FILE, strict_json(document, indent=1) + "\n")
    return folder / RUN_FILE


def read_run(path: Path) -> RunRecord:
    """Read one `run.json`, of this schema version or an older one.

    Raises:
        RecordError: it is not JSON, of another schema version, or does not say what a record must; with the fix.
    """
    return record_of(_document(path), str(path), strict=True)


def record_of(document: dict[str, Any], where: str, *, strict: bool = False) -> RunRecord:
    """Return the record of a JSON document; `where` names its file and line.

    Args:
        strict: whether its JSON is known to hold no NaN.

    Raises:
        RecordError: it is of another schema version, or does not say what a record must; with the fix.
    """
    # Migrated before the version is looked at: every older version becomes this one, only a newer one is refused.
    try:
        document = dict(migrate.run_document(document))
    except migrate.MISSHAPEN as error:
        raise RecordError(
            f"{where}: is not what its schema version says ({type(error).__name__}: {error}); restore the file from "
            "git, or delete it and run its cell again"
        ) from error
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{where}: schema_version is {version!r}, this rlvr-bench reads {SCHEMA_VERSION}; use the "
            "version that wrote it, or delete the file and run its cell again"
        )
    try:
        return RunRecord.model_validate(document, context=STRICT_JSON if strict else None)
    except ValidationError as error:
        raise RecordError(
            f"{where}: {_first_problem(error)}; restore the file from git, or delete it and run its cell again"
        ) from error


def read_cell(results: Path, *, comparison: str, method: str, seed: int, cell_id: str) -> RunRecord | None:
    """Return the record of one cell, None where there is none.

    Raises:
        RecordError: it cannot be read.
    """
    path = run_folder(results, comparison=comparison, method=method, seed=seed, cell_id=cell_id) / RUN_FILE
    if path.exists():
        return read_run(path)
    records = (record for record in read_packed(packed_file(results, comparison)) if isinstance(record, RunRecord))
    return next((record for record in records if record.cell_id == cell_id), None)


def read_packed(path: Path) -> Iterator[RunRecord | RecordError]:
    """Yield the records of a packed comparison, an error in the place of each line, or file, that cannot be read."""
    if not (path.exists() or path.is_symlink()):
        return
    shared = _SharedParts()
    for line in compact.read_lines(path):
        if isinstance(line, RecordError):
            yield line
            continue
        where = f"{path}, line {line.number}"
        try:
            record = record_of(shared.put_in(line.document), where, strict=True)
            shared.take_from(line.document, record)
            # A line that was pasted into another comparison's file would be ranked where it does not belong.
            if record.comparison != path.name.removesuffix(PACKED):
                raise RecordError(f"{where}: its comparison is {record.comparison}; restore the file from git")
            yield record
        except RecordError as error:
            yield error


class _SharedParts:
    """What the cells of a file share, validated once: the base's scores and the environment, by the parsed object."""

    def __init__(self) -> None:
        self._scores: dict[int, tuple[Any, Any]] = {}
        self._environments: dict[int, tuple[Any, Any]] = {}

    def put_in(self, document: dict[str, Any]) -> dict[str, Any]:
        """Return a document in which these parts, where they were validated before, stand as they came out."""
        if document.get("schema_version") != SCHEMA_VERSION:  # a migration reads plain JSON
            return document
        accuracy = document.get("accuracy")
        if isinstance(accuracy, dict) and (scores := self._scores.get(id(accuracy.get("base")))):
            document = {**document, "accuracy": {**accuracy, "base": scores[1]}}
        if environment := self._environments.get(id(document.get("environment"))):
            document = {**document, "environment": environment[1]}
        return document

    def take_from(self, document: dict[str, Any], record: RunRecord) -> None:
        """Keep what a document was validated to, and the parsed object itself, whose id must not be another's."""
        if "base" in record.accuracy:
            base = document["accuracy"]["base"]
            self._scores.setdefault(id(base), (base, record.accuracy["base"]))
        environment = document["environment"]
        self._environments.setdefault(id(environment), (environment, record.environment))


Loaded = tuple[list[RunRecord], list[RecordError]]
"""The records that could be read, and an error for each that could not."""


Wanted = Callable[[str], bool]
"""Which comparisons are read, by their names."""


def every(comparison: str) -> bool:
    """Want every comparison."""
    return True


def load_all(results: Path, wanted: Wanted = every) -> Loaded:
    """Read the run records of a results folder, in the order of the paths of their folders, packed or not.

    Returns:
        The records that could be read, and one error for each that could not: a broken record costs only itself.
        A folder without records gives two empty lists.
    """
    with _without_collection():
        while True:
            packed = _packed_state(results)
            loaded = _load_all(results, wanted)
            if _packed_state(results) == packed:
                return loaded


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keep the collector of cyclic garbage off: parsed JSON has none, and to look for it takes two fifths of a load."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _packed_state(results: Path) -> list[tuple[str, int, int]]:
    """Return what tells packed files from those that took their place: packing moves records behind a reader's back."""
    files = packed_files(results)
    return [(path.name, status.st_ino, status.st_mtime_ns) for path in files for status in [path.lstat()]]


def _load_all(results: Path, wanted: Wanted) -> Loaded:
    records: dict[tuple[str, str, str], RunRecord] = {}
    problems: list[RecordError] = []
    for path in packed_files(results):
        if not wanted(path.name.removesuffix(PACKED)):
            continue
        for entry in read_packed(path):
            if isinstance(entry, RecordError):
                problems.append(entry)
            elif _place(entry) in records:
                problems.append(RecordError(f"{path}: cell {entry.cell_id} is there twice; restore the file from git"))
            else:
                records[_place(entry)] = entry
    # Folders after packed files, by the same key: a cell that was run again since it was packed takes its line's place.
    for path in run_files(results):
        if not wanted(path.parents[2].name):
            continue
        try:
            record = read_run(path)
            expected = folder_of(results, record)
            if expected != path.parent:
                raise RecordError(f"{path}: its content belongs in {expected}; move it there, or delete it")
            records[_place(record)] = record
        except RecordError as error:
            if path.exists() or path.is_symlink():  # else it was packed, or deleted, since it was listed
                problems.append(error)
    return [records[place] for place in sorted(records)], problems


def _place(record: RunRecord) -> tuple[str, str, str]:
    """Return the names of a record's folder, which sort as its path does."""
    return record.comparison, record.keys.method_name, f"seed-{record.keys.seed}-{record.cell_id}"


def packed_files(results: Path) -> list[Path]:
    """Return the packed records of every comparison, sorted."""
    return sorted((results / RECORDS_FOLDER).glob(f"*{PACKED}"))


def comparisons(results: Path) -> list[str]:
    """Return the names of the comparisons of which there are records, packed or not, sorted."""
    packed = {path.name.removesuffix(PACKED) for path in packed_files(results)}
    return sorted(packed | {folder.name for folder in (results / RUNS_FOLDER).glob("*")})


def packed_comparisons(results: Path) -> list[str]:
    """Return the names of the comparisons of which there is a packed file, of records or of steps, sorted."""
    names = (path.name for path in (results / RECORDS_FOLDER).glob("*"))
    suffixes = (PACKED, PACKED_STEPS)
    return sorted({name.removesuffix(end) for name in names for end in suffixes if name.endswith(end)})


def run_files(results: Path) -> list[Path]:
    """Return the `run.json` of every cell that is a folder, sorted."""
    files = (folder / RUN_FILE for folder in (results / RUNS_FOLDER).glob("*/*/*"))
    return sorted(
        path for path in files if path.exists() or path.is_symlink()
    )  # a broken link is named, not passed over


TABLES = 32
"""Packed comparisons whose steps a reader keeps at a time."""


class StepReader:
    """Reads the steps of runs on request, those of a packed comparison from one reading of its file."""

    def __init__(self, results: Path, selected: Callable[[str], bool] = lambda metric: True) -> None:
        """`selected` says which metrics of packed steps are read, by their names in the file."""
        self._results = results
        self._folders = {path.parent for path in run_files(results)}
        self._table = lru_cache(TABLES)(
            lambda comparison: read_step_table(packed_steps_file(results, comparison), selected)
        )

    def steps(self, record: RunRecord) -> Sequence[StepRecord]:
        """Return the steps of a run; none of one that has no steps (a cell that failed before its first).

        Raises:
            RecordError: they cannot be read: which file and why.
        """
        folder = self.folder(record)
        if folder is not None:
            steps = read_steps(folder)
            if (folder / RUN_FILE).exists():
                return steps
            self._folders.discard(folder)  # packed meanwhile: what was read may be of a folder half removed
            self._table.cache_clear()
        return self._table(record.comparison).steps(record.cell_id)

    def packed_cells(self, comparison: str) -> set[str]:
        """Return the ids of the cells that have packed steps; raises RecordError where they cannot be read."""
        return set(self._table(comparison).cells)

    def folder(self, record: RunRecord) -> Path | None:
        """Return the folder of a run, None of one that is packed."""
        if not self._folders:  # to make ten thousand paths takes long
            return None
        folder = folder_of(self._results, record)
        return folder if folder in self._folders else None


def read_steps(folder: Path) -> list[StepRecord]:
    """Read the steps in a run's folder; none when there is no file (a cell that failed before its first step).

    Raises:
        RecordError: a line is broken: file, line and what.
    """
    path = folder / STEPS_FILE
    if not path.exists():
        return []
    steps = []
    for number, line in enumerate(read_regular(path).splitlines(), start=1):
        try:
            steps.append(StepRecord.model_validate(parse_json(line), context=STRICT_JSON))
        except ValueError as error:
            reason = _first_problem(error) if isinstance(error, ValidationError) else str(error)
            raise RecordError(
                f"{path}, line {number}: {reason}; restore the file from git, or delete its folder and run "
                "the cell again"
            ) from error
    return steps


def _document(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_regular(path))
    except ValueError as error:
        raise RecordError(
            f"{path}: not valid JSON ({error}); restore the file from git, or delete it and run its cell again"
        ) from error
    if not isinstance(document, dict):
        raise RecordError(
            f"{path}: holds a JSON {type(document).__name__}, a run record is an object; restore the "
            "file from git, or delete it and run its cell again"
        )
    return document


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
