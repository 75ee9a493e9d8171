"""Where run records live in a results folder, and how they are written and read.

`runs/<comparison>/<method>/seed-<n>-<cell id>/run.json`, with `steps.jsonl` beside it. Samples are kept in the cache
(see `samples`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlvr_bench.record import migrate
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import SCHEMA_VERSION, RunRecord, StepRecord

RUN_FILE = "run.json"
STEPS_FILE = "steps.jsonl"


def run_folder(results: Path, *, comparison: str, method: str, seed: int, cell_id: str) -> Path:
    """Return the folder of one cell's records."""
    return results / "runs" / comparison / method / f"seed-{seed}-{cell_id}"


def folder_of(results: Path, record: RunRecord) -> Path:
    """Return the folder that a record belongs in."""
    keys = record.keys
    return run_folder(
        results, comparison=record.comparison, method=keys.method_name, seed=keys.seed, cell_id=record.cell_id
    )


def write_run(results: Path, record: RunRecord, steps: Sequence[StepRecord]) -> Path:
    """Write `steps.jsonl` and then `run.json`, each whole or not at all; return the path of `run.json`.

    A cell counts as run once its `run.json` is there, so that comes last.

    Raises:
        RecordError: the disk is full, or the folder cannot be written.
    """
    folder = folder_of(results, record)
    write_whole(folder / STEPS_FILE, "".join(step.to_json() + "\n" for step in steps))
    write_whole(folder / RUN_FILE, record.to_json())
    return folder / RUN_FILE


def read_run(path: Path) -> RunRecord:
    """Read one `run.json`, of this schema version or an older one.

    Raises:
        RecordError: it is not JSON, of another schema version, or does not say what a record must; with the fix.
    """
    document = migrate.run_document(_parse_json(path))
    version = document.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RecordError(
            f"{path}: schema_version is {version!r}, this rlvr-bench reads {SCHEMA_VERSION}; use the "
            "version that wrote it, or delete the file and run its cell again"
        )
    try:
        return RunRecord.model_validate(document)
    except ValidationError as error:
        raise RecordError(
            f"{path}: {_first_problem(error)}; restore the file from git, or delete it and run its cell again"
        ) from error


def load_all(results: Path) -> tuple[list[RunRecord], list[RecordError]]:
    """Read every run record of a results folder, in the order of their paths.

    Returns:
        The records that could be read, and one error for each that could not: a broken record costs only itself.
        A folder without records gives two empty lists.
    """
    records: list[RunRecord] = []
    problems: list[RecordError] = []
    for path in sorted((results / "runs").glob(f"*/*/*/{RUN_FILE}")):
        try:
            record = read_run(path)
            expected = folder_of(results, record)
            if expected != path.parent:
                raise RecordError(f"{path}: its content belongs in {expected}; move it there, or delete it")
            records.append(record)
        except RecordError as error:
            problems.append(error)
    return records, problems


def read_steps(folder: Path) -> list[StepRecord]:
    """Read the steps of a run; none when there is no file (a cell that failed before its first step).

    Raises:
        RecordError: a line is broken: file, line and what.
    """
    path = folder / STEPS_FILE
    if not path.exists():
        return []
    steps = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            steps.append(StepRecord.model_validate_json(line))
        except ValidationError as error:
            raise RecordError(
                f"{path}, line {number}: {_first_problem(error)}; restore the file from git, or delete "
                "its folder and run the cell again"
            ) from error
    return steps


def _parse_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}); make the file readable") from error
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
