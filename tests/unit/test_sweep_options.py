"""A sweep without training: planted accuracies, failures, pruning, several objectives."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from record_factory import ENVIRONMENT, record

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.record import store
from rlvr_bench.record.schema import Cause, RunRecord, Score, Stability, Status
from rlvr_bench.sweep import pruners
from rlvr_bench.sweep.objectives import values_of
from rlvr_bench.sweep.optimise import Sweep
from rlvr_bench.sweep.protocol_trials import Selection
from rlvr_bench.sweep.search import Search, search_of
from rlvr_bench.sweep.study_storage import open_storage
from rlvr_bench.sweep.trial_queue import TrialQueue


class FakeLauncher:
    """Runs a sweep's cells one by one: a record by the learning rate, or a failure, and every step's event."""

    def __init__(
        self, search: Search, results: Path, accuracy: Callable[[Cell], float], failing: tuple[int, ...] = ()
    ) -> None:
        storage, turn = open_storage(None, results)
        directions = ["minimize" if name == "tokens" else "maximize" for name in search.objectives]
        self.study = optuna.create_study(
            storage=storage, study_name="fake", load_if_exists=True, directions=directions,
            pruner=pruners.create(search.pruner, search.steps),
        )  # fmt: skip
        points = search.points()
        sampler = None if points is not None else search.adaptive_sampler
        queue = TrialQueue(self.study, turn, search.distributions(), search.trials, points, sampler)
        self.sweep, self.results, self.accuracy, self.failing = (
            Sweep(search, queue, results),
            results,
            accuracy,
            failing,
        )
        self.ran: list[tuple[float, int]] = []
        self.stopped: list[tuple[float, int]] = []

    def run(self) -> None:
        for cell in self.sweep.cells():
            assert cell is not None
            self.ran.append((cell.learning_rate, cell.seed))
            self._cell(cell)

    def _cell(self, cell: Cell) -> None:
        value = self.accuracy(cell)
        for step in range(1, cell.signal.steps + 1):
            if self.sweep(cell, Event("train", step, cell.signal.steps, None, value * step / cell.signal.steps)):
                self.stopped.append((cell.learning_rate, cell.seed))
                return
        status: Status = "failed" if len(self.ran) - 1 in self.failing else "done"
        store.write_run(self.results, _record(cell, value, status), [])
        self.sweep(cell, Outcome(cell.id, cell.method_name, cell.seed, status, "no memory"))


def _record(cell: Cell, accuracy: float, status: Status) -> RunRecord:
    correct = round(96 * accuracy)
    digits = "".join("1" if (29 * place) % 96 < correct else "0" for place in range(96))
    scores = {"chain": {"validation": Score(n=96, problems_hash="p", greedy=correct / 96, greedy_outcomes=digits)}}
    return RunRecord(
        cell=cell.model_dump(mode="json"), cell_id=cell.id, comparison=cell.comparison, status=status,
        cause=None if status == "done" else Cause(type="OutOfMemoryError", message="no memory"),
        accuracy={} if status == "failed" else {"base": scores, "tuned": scores},
        stability=Stability(steps=2, reward_last=accuracy, reward_peak=0.9), environment=ENVIRONMENT,
    )  # fmt: skip


def _search(*, steps: int = 2, seeds: tuple[int, ...] = (100,), **changes: Any) -> Search:
    document = {
        "name": "planted",
        "bases": ["organism-steps"],
        "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
        "signal": {"steps": steps},
        "methods": {"lora": {"learning_rate": 1e-3}},
    }
    asked = {"method": "lora", "trials": 8, "sampler": "qmc", "pruner": "none", "objectives": ("accuracy",)} | changes
    return search_of(Experiment.model_validate(document), selection=Selection(seeds=seeds), **asked)


def _planted(cell: Cell) -> float:
    return _planted_at(cell.learning_rate)


def _planted_at(rate: float) -> float:
    """An accuracy that is best at a rate of 1e-3."""
    return max(0.05, 0.9 - 0.25 * abs(math.log10(rate) + 3))


@pytest.mark.parametrize("sampler", ["qmc", "random", "grid", "tpe"])
def test_every_sampler_finds_a_planted_optimum(tmp_path: Path, sampler: str) -> None:
    launcher = FakeLauncher(_search(sampler=sampler, trials=16), tmp_path, _planted)
    launcher.run()
    assert len({trial.params["learning_rate"] for trial in launcher.study.trials}) == 16
    assert 2e-4 < launcher.study.best_params["learning_rate"] < 5e-3
    assert len(launcher.ran) == 16


def test_a_failed_trial_is_recorded_and_costs_no_other(tmp_path: Path) -> None:
    launcher = FakeLauncher(_search(trials=4), tmp_path, _planted, failing=(1,))
    launcher.run()
    assert [trial.state.name for trial in launcher.study.trials] == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert launcher.study.trials[1].user_attrs["cause"]["type"] == "OutOfMemoryError"
    FakeLauncher(_search(trials=4), tmp_path, _planted).run()
    assert launcher.study.trials[1].state.name == "FAIL"


def test_the_median_stops_a_running_cell_that_is_behind(tmp_path: Path) -> None:
    launcher = FakeLauncher(_search(steps=40, trials=16, pruner="median"), tmp_path, _planted)
    launcher.run()
    states = [trial.state.name for trial in launcher.study.trials]
    assert launcher.stopped and states.count("PRUNED") == len(launcher.stopped)
    assert states[:4] == ["COMPLETE"] * 4
    best = max(launcher.study.trials, key=lambda trial: _planted_at(trial.params["learning_rate"]))
    assert best.state.name == "COMPLETE"


def test_wilcoxon_spares_the_other_seeds_of_a_trial_that_is_worse(tmp_path: Path) -> None:
    launcher = FakeLauncher(_search(seeds=(100, 101, 102), trials=8, pruner="wilcoxon"), tmp_path, _planted)
    launcher.run()
    seeds = Counter(rate for rate, _ in launcher.ran)
    pruned = [trial for trial in launcher.study.trials if trial.state.name == "PRUNED"]
    assert pruned and min(seeds.values()) == 1
    assert sum(count < 3 for count in seeds.values()) == len(pruned)
    assert all(_planted_at(t.params["learning_rate"]) < launcher.study.best_value for t in pruned)


def test_wilcoxon_does_not_stop_a_trial_that_is_as_good(tmp_path: Path) -> None:
    launcher = FakeLauncher(_search(seeds=(100, 101, 102), trials=4, pruner="wilcoxon"), tmp_path, lambda _: 0.5)
    launcher.run()
    assert len(launcher.ran) == 12


def test_several_objectives_make_a_front(tmp_path: Path) -> None:
    search = _search(trials=8, objectives=("accuracy", "stability"))
    launcher = FakeLauncher(search, tmp_path, _planted)
    launcher.run()
    accuracies = [trial.values[0] for trial in launcher.study.trials]
    assert max(accuracies) == launcher.study.best_trials[0].values[0]


def test_an_objective_without_a_value_fails_the_trial() -> None:
    assert values_of(["tokens"], [record(), record()]) == [5000]
    assert values_of(["accuracy"], [record()]) == "accuracy"  # scored on test only
