"""The trial cells of a protocol, run by several machines that share an Optuna study and nothing else.

A stage of trials is a study, and each of its cells one of the study's trials: claimed under a lease, told its
validation accuracy, and kept with its record and steps. When all are told, every machine takes the records of the
others into its own results folder. Who survives a halving then follows from the records, on each machine alike.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import optuna
from optuna import Study, Trial
from optuna.distributions import IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.record import store
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import Cause, RunRecord, StepRecord
from rlvr_bench.sweep.objectives import values_of
from rlvr_bench.sweep.study_storage import open_storage
from rlvr_bench.sweep.trial_queue import TrialQueue, settings_of, standing

PLACE = "cell"
"""The parameter of a trial: the place of its cell among those of the stage, by id."""

RUN = "run"
"""User attribute of a trial: record and steps of its cell."""


class SharedTrials:
    """Gives the launcher those cells of a stage that no other machine runs, and tells the study what became of them."""

    def __init__(self, name: str, cells: Sequence[Cell], storage: str, results: Path) -> None:
        """Open the study of a stage, which all that ask for the same cells of an experiment share.

        Raises:
            ExperimentError: the storage cannot be opened.
        """
        self._cells, self._results = sorted(cells, key=lambda cell: cell.id), results
        self._trials: dict[str, Trial] = {}
        self._study, turn_file = _open(f"{name}.{_digest(self._cells)}", storage, results)
        places = IntDistribution(0, len(cells) - 1)
        points = [{PLACE: place} for place in range(len(cells))]
        self._queue = TrialQueue(self._study, turn_file, {PLACE: places}, len(cells), points)

    def cells(self) -> Iterator[Cell | None]:
        """Yield the next cell to run, None while others run what may come back; takes their records at the end."""
        while (answer := self._queue.ask()) != "never":
            if isinstance(answer, str):
                yield None
                continue
            if self._is_twin(answer):
                self._queue.prune(answer)
                continue
            cell = self._cells[answer.params[PLACE]]
            answer.set_user_attr("method", cell.method_name)
            answer.set_user_attr("cell_id", cell.id)
            record = self._record(cell)
            if record is not None and record.status != "failed":
                self._tell(answer, record)
            else:
                self._trials[cell.id] = answer
                yield cell
        self._take_records()

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> None:
        """Hear the launcher."""
        self._queue.renew()
        if isinstance(message, Outcome):
            trial, record = self._trials.pop(cell.id), self._record(cell)
            if record is None:
                self._queue.fail(trial, Cause(type="NoRecord", message=message.message or "no record"), may_pass=True)
            else:
                self._tell(trial, record)

    def __enter__(self) -> "SharedTrials":
        return self

    def __exit__(self, *_: object) -> None:
        """Put what this machine was at work on back into the queue."""
        self._queue.give_back()

    def _is_twin(self, trial: Trial) -> bool:
        """Whether an earlier trial is about the same cell: two machines may open a study at the same moment."""
        return any(
            other.number < trial.number and other.state != TrialState.FAIL and settings_of(other) == trial.params
            for other in self._study.get_trials(deepcopy=False)
        )

    def _tell(self, trial: Trial, record: RunRecord) -> None:
        with suppress(UpdateFinishedTrialError):  # told by a machine that took this one for dead
            trial.set_user_attr(RUN, _packed(record, self._steps(record)))
        values = values_of(("accuracy",), [record])
        if isinstance(values, list):
            self._queue.complete(trial, values)
        elif record.status == "stopped":
            self._queue.prune(trial)
        else:
            cause = record.cause or Cause(type=record.status, message=f"its record is {record.status}")
            self._queue.fail(trial, cause, may_pass=record.status == "failed")

    def _take_records(self) -> None:
        for trial in standing(self._study.get_trials(deepcopy=False)):
            own = self._record(self._cells[settings_of(trial)[PLACE]])
            if RUN in trial.user_attrs and (own is None or own.status == "failed"):
                record, steps = _unpacked(trial)
                store.write_run(self._results, record, steps)

    def _record(self, cell: Cell) -> RunRecord | None:
        with suppress(RecordError):  # one that cannot be read is named by `run`, and its cell runs again
            return store.read_cell(
                self._results, comparison=cell.comparison, method=cell.method_name, seed=cell.seed, cell_id=cell.id
            )
        return None

    def _steps(self, record: RunRecord) -> Sequence[StepRecord]:
        return store.StepReader(self._results).steps(record)


def _packed(record: RunRecord, steps: Sequence[StepRecord]) -> str:
    """Return a run as text: databases keep some tens of thousands of characters to an attribute."""
    lines = "\n".join([json.dumps(record.model_dump(mode="json")), *(step.to_json() for step in steps)])
    return base64.b85encode(zlib.compress(lines.encode(), 9)).decode()


def _unpacked(trial: FrozenTrial) -> tuple[RunRecord, list[StepRecord]]:
    """Return the run behind a trial; its samples stay where it ran.

    Raises:
        RecordError: it is not of this version.
    """
    first, *lines = zlib.decompress(base64.b85decode(trial.user_attrs[RUN])).decode().split("\n")
    record = store.record_of(json.loads(first), f"trial {trial.number} of the shared study")
    return record.model_copy(update={"samples": None}), [StepRecord.model_validate_json(line) for line in lines]


def _open(name: str, storage: str, results: Path) -> tuple[Study, Path]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    opened, turn_file = open_storage(storage, results)
    try:
        study = optuna.create_study(storage=opened, study_name=name, direction="maximize", load_if_exists=True)
    except optuna.exceptions.StorageInternalError as error:
        raise ExperimentError(f"--storage {storage}: {error}; check that the database can be reached") from error
    return study, turn_file


def _digest(cells: Sequence[Cell]) -> str:
    return hashlib.sha256(" ".join(cell.id for cell in cells).encode()).hexdigest()[:12]
