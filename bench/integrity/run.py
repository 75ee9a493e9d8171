"""One run record against its own settings and its steps."""

import json
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.record import store
from rlvr_bench.record.digest import digest_fault
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.samples import SAMPLES_FILE, file_digest
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.record.steps import column
from rlvr_bench.train.stability import figures

AGAIN = "restore the file from git, or delete its folder and run the cell again"


def run_faults(results: Path, record: RunRecord, reader: store.StepReader) -> list[str]:
    """Return the faults of one record and of its steps, as folder or packed."""
    path = steps_path = store.packed_file(results, record.comparison)
    if (folder := reader.folder(record)) is not None:
        path, steps_path = folder / store.RUN_FILE, folder / store.STEPS_FILE
    differences = [*_identity(record), *_status(record)]
    faults = [f"{_named(path, record)}: {one}; {AGAIN}" for one in differences]
    try:
        steps = reader.steps(record)
    except RecordError as error:
        return [*faults, str(error)]
    differences = [fault for fault in (digest_fault(record, steps), _samples(folder, record)) if fault is not None]
    faults += [f"{_named(path, record)}: {one}; {AGAIN}" for one in differences]
    return faults + [f"{_named(steps_path, record)}: {one}; {AGAIN}" for one in _steps(record, steps)]


def _samples(folder: Path | None, record: RunRecord) -> str | None:
    """Return what is wrong with samples that lie beside a record; those in a cache are no part of the results."""
    if record.samples is None or folder is None or not (folder / SAMPLES_FILE).exists():
        return None
    path = folder / SAMPLES_FILE
    return None if file_digest(path) == record.samples.sha256 else f"{path.name} beside it is not the file of its run"


def _named(path: Path, record: RunRecord) -> str:
    """Return a file's path; with the cell where the file holds several."""
    return (
        f"{path}, cell {record.cell_id}" if path.suffix == store.PACKED and path.name != store.STEPS_FILE else str(path)
    )


def _identity(record: RunRecord) -> Iterator[str]:
    """Yield what of id and comparison does not follow from the settings; the fingerprints are taken as recorded."""
    try:
        cell = _cell(record.cell)
        identity, digest = cell.id, cell.comparison_digest
    except (ValidationError, MethodError, ExperimentError) as error:
        yield f"its settings are not those of this version ({str(error).splitlines()[0]})"
        return
    # A file that a method reads is named by its path where the cell runs, which is not stored; its content is hashed.
    if identity != record.cell_id and not cell.method_fingerprints:
        yield f"its settings give cell id {identity}, not {record.cell_id}"
    # The name of a local base is spelled as its machine saw it; the hash at its end is the same everywhere.
    if digest != record.comparison.rpartition(".")[2]:
        yield f"its settings give a comparison that ends with {digest}, not {record.comparison}"


def _cell(settings: dict[str, Any]) -> Cell:
    """Return the cell of a record's settings; those that differ by no more than their seed are resolved once."""
    seed = settings.get("seed")
    if type(seed) is not int:  # refused, or read as a number, as any other setting
        return Cell.model_validate(settings)
    return _first(json.dumps(settings | {"seed": 0}, sort_keys=True)).model_copy(update={"seed": seed})


@lru_cache(maxsize=4096)
def _first(settings: str) -> Cell:
    """Return the cell of these settings, written as JSON, with all computed that its id takes from them but the seed.

    Raises:
        ValidationError, MethodError, ExperimentError: they are not those of this version.
    """
    cell = Cell.model_validate(json.loads(settings))
    _ = cell.comparison_digest, cell.chosen_method  # kept by the cell, and by its copies
    return cell


def _status(record: RunRecord) -> Iterator[str]:
    problems = (record.attestation or {}).get("problems")
    if problems and record.status in ("done", "collapsed"):
        yield f'its attestation failed ("{problems[0]}") but its status is {record.status}'
    collapsed = record.stability is not None and record.stability.collapse_rule is not None
    if record.status in ("done", "collapsed") and collapsed != (record.status == "collapsed"):
        yield f"its status is {record.status} but stability.collapse_rule says otherwise"


def _steps(record: RunRecord, steps: Sequence[StepRecord]) -> Iterator[str]:
    if record.stability is None:
        return
    numbers, tokens = column(steps, "step"), column(steps, "tokens")
    if any(number >= following for number, following in pairwise(numbers)):
        yield "its steps are not in order"
    if tokens and record.cost.tokens is not None and tokens[-1] not in (None, record.cost.tokens):
        yield f"its last step counts {tokens[-1]} tokens, run.json {record.cost.tokens}"
    for name, derived in figures(steps).items():
        value = getattr(record.stability, name)
        if value is not None and not _close(value, derived):
            yield f"its steps give {name} {_said(derived)}, run.json says {_said(value)}"


def _close(one: Any, other: Any) -> bool:
    return other is not None and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _said(value: Any) -> str:
    return json.dumps(value)
