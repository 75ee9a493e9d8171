"""Grade all stored samples of a results folder again: what changes, and for which methods. No model is needed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.integrity.regrade import Grader, Regraded
from rlvr_bench.integrity.stored import stored_scores
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.record import store
from rlvr_bench.record.digest import digest_fault
from rlvr_bench.record.environment import capture
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import ModelRole, Rescored, RunRecord, Score, ScoredSplit
from rlvr_bench.tasks.errors import TaskError

RESTS_ON_VERDICTS = ("behaviour", "prompt_range")
"""Measurements that are dropped when verdicts change: their completions are not graded again."""


@dataclass(frozen=True, slots=True)
class RegradedCell:
    """A cell whose samples were graded again; `tasks` are the fingerprints of its tasks by name."""

    record: RunRecord
    scores: list[Regraded]
    tasks: dict[str, str]

    @property
    def changed(self) -> bool:
        """Whether one of its scores is another."""
        return any(one.differs for one in self.scores)


@dataclass(slots=True)
class Rescoring:
    """What grading again found, and the cells that could not be graded with the reason."""

    cells: list[RegradedCell] = field(default_factory=list)
    faults: list[tuple[RunRecord, str]] = field(default_factory=list)


def rescore(results: Path, data_dir: Path | None = None) -> Rescoring:
    """Grade all stored samples of a results folder again; cells without a score have none.

    Args:
        data_dir: folder of data-set files.

    Raises:
        RecordError: a record cannot be read.
    """
    records, problems = store.load_all(results)
    if problems:
        raise problems[0]
    rescoring, grader, reader = Rescoring(), Grader(data_dir), store.StepReader(results)
    for record in (one for one in records if one.accuracy):
        try:
            # What is written gets a new digest: it must not cover up that the record was changed before.
            if (changed := digest_fault(record, reader.steps(record))) is not None:
                raise RecordError(f"cell {record.cell_id}: {changed}; run the cell again")
            stored = stored_scores(store.folder_of(results, record), record)
            scores = [grader.regrade(record, one) for one in stored]
        except (RecordError, TaskError) as error:
            rescoring.faults.append((record, str(error)))
        except (ValidationError, MethodError, ExperimentError) as error:
            rescoring.faults.append(
                (record, f"settings of cell {record.cell_id} are not those of this version ({error})")
            )
        else:
            rescoring.cells.append(RegradedCell(record, scores, grader.fingerprints(record)))
    return rescoring


def changes(rescoring: Rescoring) -> list[dict[str, Any]]:
    """Return a line per comparison, method, model, task and split whose scores change, summed over seeds.

    `gained` and `lost` count problems by their greedy answers, `completions` all whose verdict changes.
    """
    lines: dict[tuple[str, ...], Counter[str]] = {}
    for cell in rescoring.cells:
        for one in cell.scores:
            if one.differs:
                key = (cell.record.comparison, cell.record.keys.method_name, one.role, one.task, one.split)
                line = lines.setdefault(key, Counter())
                line.update(cells=1, gained=one.gained, lost=one.lost, completions=one.changed)
    names = ("comparison", "method", "model", "task", "split")
    counts = ("cells", "gained", "lost", "completions")
    return [dict(zip(names, key, strict=True)) | {name: line[name] for name in counts} for key, line in lines.items()]


def write(results: Path, rescoring: Rescoring) -> tuple[int, list[str]]:
    """Write changed scores into their records, which then say with what code and tasks they were graded.

    A comparison is changed as a whole or not at all: its rows must not be graded by different verifiers. What else
    rests on the old verdicts (behaviour, the base under other prompts) is dropped. A packed record becomes a folder
    again, which is read in its place until it is packed.

    Returns:
        The number of records written, and a sentence for each comparison that is left as it is.
    """
    touched = {cell.record.comparison for cell in rescoring.cells if cell.changed}
    ungraded = Counter(record.comparison for record, _ in rescoring.faults if record.comparison in touched)
    environment, written, reader = capture(), 0, store.StepReader(results)
    for cell in rescoring.cells:
        record = cell.record
        if record.comparison in touched and record.comparison not in ungraded:
            note = Rescored(commit=environment.commit, dirty=environment.dirty, tasks=cell.tasks)
            accuracy = record.accuracy | _accuracy(cell.scores)
            measurements = {name: one for name, one in record.measurements.items() if name not in RESTS_ON_VERDICTS}
            renewed = record.model_copy(update={"accuracy": accuracy, "measurements": measurements, "rescored": note})
            store.write_run(results, renewed, reader.steps(record))
            written += 1
    left = [f"{name} is left as it is: {count} of its cells could not be graded" for name, count in ungraded.items()]
    return written, left


def _accuracy(scores: Sequence[Regraded]) -> dict[ModelRole, dict[str, dict[ScoredSplit, Score]]]:
    accuracy: dict[ModelRole, dict[str, dict[ScoredSplit, Score]]] = {}
    for one in scores:
        accuracy.setdefault(one.role, {}).setdefault(one.task, {})[one.split] = one.after
    return accuracy
