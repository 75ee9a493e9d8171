"""Trials of one protocol on several machines, which share a study and nothing else."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from record_factory import ENVIRONMENT, score

from rlvr_bench.cell.events import Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.record import store
from rlvr_bench.record.schema import Cause, RunRecord, StepRecord
from rlvr_bench.sweep.phases import Phases
from rlvr_bench.sweep.protocol_trials import Selection
from rlvr_bench.sweep.shared_trials import SharedTrials

EXPERIMENT = Experiment.model_validate(
    {
        "name": "shared",
        "seeds": [0, 1, 2],
        "bases": ["organism-steps"],
        "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
        "signal": {"steps": 3},
        "methods": {name: {"search": {"learning_rate": {"low": 1e-4, "high": 1e-2}}} for name in ("full", "full-sgd")},
        "protocol": {"trials": 4, "extensions": 1},
    }
)
PROBLEMS = 64
STORAGES = {"journal": "{}/shared.journal", "database": "sqlite:///{}/shared.db"}


def record_of(cell: Cell, **changes: Any) -> RunRecord:
    """Return what a run of a cell would leave: the best rate is 10^-3, and seeds differ."""
    share = 0.8 - 0.4 * abs(np.log10(cell.learning_rate) + 3) + 0.01 * (cell.seed % 3)
    correct = round(share * PROBLEMS)
    scores = {"chain": {"validation": score("1" * correct + "0" * (PROBLEMS - correct))}}
    keys = {"cell": cell.model_dump(mode="json"), "cell_id": cell.id, "comparison": cell.comparison}
    result = {"status": "done", "accuracy": {"base": scores, "tuned": scores}, "environment": ENVIRONMENT}
    return RunRecord.model_validate(keys | result | changes)


class Machine:
    """A results folder, and a launcher that makes records of cells up."""

    def __init__(self, results: Path, storage: str, records: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.results, self._storage, self._changes = results, storage, records or {}
        self.ran: list[str] = []
        results.mkdir(exist_ok=True)

    def tune(self, barrier: threading.Barrier | None = None) -> list[Cell]:
        """Run the trials of all stages; return the final cells, which say what won."""
        phases = Phases(EXPERIMENT, Selection())
        for phase in phases.trials():
            work = phase(store.load_all(self.results)[0])
            if not work.cells:
                continue
            assert work.study is not None
            with SharedTrials(work.study, work.cells, self._storage, self.results) as shared:
                if barrier is not None:
                    barrier.wait()
                self._launch(shared)
        return phases.final(store.load_all(self.results)[0]).cells

    def _launch(self, shared: SharedTrials) -> None:
        for cell in shared.cells():
            if cell is None:
                time.sleep(0.01)
                continue
            self.ran.append(cell.id)
            record = record_of(cell, **self._changes.get(cell.id, {}))
            time.sleep(0.01)
            store.write_run(self.results, record, [StepRecord(step=1, accuracy=0.5)])
            assert record.status != "stale"
            shared(cell, Outcome(cell.id, cell.method_name, cell.seed, record.status))


@pytest.mark.parametrize("storage", STORAGES)
def test_two_machines_run_disjoint_trials_and_find_the_same_winners(storage: str, tmp_path: Path) -> None:
    place = STORAGES[storage].format(tmp_path)
    machines = [Machine(tmp_path / name, place) for name in ("one", "other")]
    barrier = threading.Barrier(2, timeout=900)
    with ThreadPoolExecutor(2) as pool:
        finals = [job.result() for job in [pool.submit(machine.tune, barrier) for machine in machines]]
    one, other = (machine.ran for machine in machines)
    alone = Machine(tmp_path / "alone", f"{tmp_path}/alone.journal")
    assert [cell.id for cell in finals[0]] == [cell.id for cell in finals[1]] == [cell.id for cell in alone.tune()]
    assert one and other and not set(one) & set(other)
    assert sorted(one + other) == sorted(alone.ran)
    for machine in machines:
        records, problems = store.load_all(machine.results)
        assert {record.cell_id for record in records} == set(alone.ran) and not problems
        assert all(store.StepReader(machine.results).steps(record) for record in records)


def test_what_a_machine_gives_back_or_failed_at_another_runs(tmp_path: Path) -> None:
    place = STORAGES["journal"].format(tmp_path)
    first = next(iter(Phases(EXPERIMENT, Selection()).trials()))([])
    assert first.study is not None
    with SharedTrials(first.study, first.cells, place, tmp_path / "stopped") as shared:
        taken = next(shared.cells())
        assert taken is not None
    broken = Machine(tmp_path / "broken", place, {taken.id: {"status": "failed", "cause": Cause(type="X", message="x"),
                                                             "accuracy": {}}})  # fmt: skip
    broken.tune()
    assert taken.id in broken.ran
    sound = Machine(tmp_path / "sound", place)
    sound.tune()
    assert {cell.id for cell in first.cells} & set(sound.ran) == {taken.id}


def test_a_stopped_trial_is_told_and_its_own_records_are_not_run_again(tmp_path: Path) -> None:
    place = STORAGES["journal"].format(tmp_path)
    first = next(iter(Phases(EXPERIMENT, Selection()).trials()))([])
    dead, cause = first.cells[0], Cause(type="Dead", message="stopped at step 1 of 3")
    stopped = {"status": "stopped", "cause": cause, "accuracy": {"base": record_of(dead).accuracy["base"]}}
    one, other = Machine(tmp_path / "one", place, {dead.id: stopped}), Machine(tmp_path / "other", place)
    finals = [cell.id for cell in one.tune()]
    assert [cell.id for cell in other.tune()] == finals and not other.ran
    assert {record.cell_id: record.status for record in store.load_all(other.results)[0]}[dead.id] == "stopped"
    alone = Machine(one.results, f"{tmp_path}/another.journal")
    assert [cell.id for cell in alone.tune()] == finals and not alone.ran
