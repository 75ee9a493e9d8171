"""What a report is made of: everything that is read from a results folder, before anything is computed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.standings import record_key, standings_of, step_reader
from rlvr_bench.record import store
from rlvr_bench.record.documents import parse_json, read_regular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.numbers import finite_or_none
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.report.curves import is_drawn
from rlvr_bench.thinking.documents import upgraded
from rlvr_bench.train.collapse import relabelled

FINDINGS_FILE = "findings.json"
THINKING_FOLDER = "thinking"

RowKey = tuple[str, ...]


class RunSteps(Mapping[str, Sequence[StepRecord]]):
    """The steps of runs by cell id: there are too many to hold them all. `faults` names what could not be read."""

    def __init__(self, results: Path, records: Iterable[RunRecord]) -> None:
        self._records = {record.cell_id: record for record in records}
        self._reader = store.StepReader(results, is_drawn)
        self.faults: dict[str, None] = {}

    def __getitem__(self, cell_id: str) -> Sequence[StepRecord]:
        """Return the steps of a run, none if they cannot be read."""
        try:
            return self._reader.steps(self._records[cell_id])
        except RecordError as fault:
            self.faults[str(fault)] = None
            return []

    def __iter__(self) -> Iterator[str]:
        """Go through the ids of the cells."""
        return iter(self._records)

    def __len__(self) -> int:
        """Count the cells."""
        return len(self._records)


@dataclass(frozen=True)
class Material:
    """The leaderboard's rows, the records behind each, and what other verbs left in the results folder.

    Attributes:
        rows: as `leaderboard-all.csv` has them, in its order.
        runs: the records of each row by `row_key`, sorted by seed; the base has none.
        records: all records that could be read, stale ones too.
        steps: by cell id, read when asked for; none of a run whose steps cannot be read.
        findings: entries of `findings.json`, none without the file.
        frontiers: documents of `thinking/*.json` that hold a frontier, by file name.
        trainings: the same of `thinking/trainings/*.json`, other trainings of these.
        problems: one sentence for each file that could not be read.
    """

    rows: tuple[Row, ...]
    runs: dict[RowKey, tuple[RunRecord, ...]]
    records: tuple[RunRecord, ...]
    steps: Mapping[str, Sequence[StepRecord]]
    findings: list[dict[str, Any]]
    frontiers: dict[str, dict[str, Any]]
    trainings: dict[str, dict[str, Any]]
    problems: tuple[str, ...]

    @cached_property
    def comparisons(self) -> dict[str, str]:
        """The comparison of each record, by cell id."""
        return {record.cell_id: record.comparison for record in self.records}


def gather(results: Path) -> Material:
    """Read a results folder. What cannot be read costs only itself and is named in `problems`."""
    stored, faults = store.load_all(results)
    read_steps = step_reader(results)
    records = [relabelled(record, read_steps) for record in stored]  # as the leaderboard counts them
    runs: dict[RowKey, list[RunRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda record: (record.keys.seed, record.cell_id)):
        if record.status != "stale":
            runs[record_key(record)].append(record)
    listed = _read(results / FINDINGS_FILE, list, faults) or []
    findings = [each for each in listed if isinstance(each, dict)]
    if others := len(listed) - len(findings):
        faults.append(RecordError(f"{results / FINDINGS_FILE}: {others} of its entries are no findings; make it again"))
    frontiers, trainings = (
        _frontiers(folder, faults) for folder in (results / THINKING_FOLDER, results / THINKING_FOLDER / "trainings")
    )
    return Material(
        rows=tuple(standing.row for standing in standings_of(records)),
        runs={key: tuple(group) for key, group in runs.items()},
        records=tuple(records),
        steps=RunSteps(results, records),
        findings=findings,
        frontiers=frontiers,
        trainings=trainings,
        problems=tuple(str(fault) for fault in faults),
    )


def _frontiers(folder: Path, faults: list[RecordError]) -> dict[str, dict[str, Any]]:
    """Return the comparisons of scorers in a folder, by file name."""
    return {
        path.stem: upgraded(document)
        for path in sorted(folder.glob("*.json"))
        if (document := _read(path, dict, faults)) and isinstance(document.get("frontier"), list)
    }


def _read(path: Path, kind: type, faults: list[RecordError]) -> Any:
    """Return a JSON document of one kind, or None if there is no file; what is wrong with it goes to `faults`."""
    if not path.exists():
        return None
    try:
        document = parse_json(read_regular(path))
    except RecordError as error:
        faults.append(error)
        return None
    except ValueError as error:
        faults.append(RecordError(f"{path}: cannot be read ({error}); make it again or delete it"))
        return None
    if not isinstance(document, kind):
        faults.append(RecordError(f"{path}: holds no JSON {kind.__name__}; make it again or delete it"))
        return None
    return finite_or_none(document)
