"""Successive halving over the trials of a tuning study: what runs next, who wins, and how far it errs."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from record_factory import ENVIRONMENT, score

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import WITHOUT_HALVING, Protocol
from rlvr_bench.record.schema import Cause, RunRecord
from rlvr_bench.sweep.phases import Phases
from rlvr_bench.sweep.protocol_trials import ProtocolTrial, Selection, TuningStudy, Winner, final_cells, tuning_studies
from rlvr_bench.sweep.winner import Decision, decide

PROBLEMS = 64
FILE: dict[str, Any] = {
    "name": "tuned",
    "seeds": [0, 1, 2, 3, 4],
    "bases": ["organism-steps"],
    "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
    "signal": {"steps": 3},
    "methods": {"full": {"search": {"learning_rate": {"low": 1e-4, "high": 1e-2}}}},
}


def experiment(**protocol: Any) -> Experiment:
    return Experiment.model_validate(FILE | {"protocol": protocol})


def study_of(asked: Experiment) -> TuningStudy:
    assert asked.protocol is not None
    (only,) = tuning_studies(asked, asked.protocol, Selection())
    return only


@lru_cache(maxsize=10_000)
def record_of(cell_id: str, correct: int) -> RunRecord:
    cell = CELLS[cell_id]
    scores = {"chain": {"validation": score("1" * correct + "0" * (PROBLEMS - correct))}}
    return RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status="done",
        accuracy={"base": scores, "tuned": scores},
        environment=ENVIRONMENT,
    )


CELLS: dict[str, Cell] = {}


def played(asked: Experiment, accuracy: Mapping[float, float], at_least: float = 0.1) -> tuple[Decision, int]:
    """Run a study until it is decided, each trial with the accuracy of the nearest rate; return it and its cells."""
    study, protocol, records = study_of(asked), asked.protocol, dict[str, RunRecord]()
    assert protocol is not None
    for _ in range(20):
        decision = decide(study, protocol, records)
        if decision.tuning is not None:
            return decision, len(records)
        for cell in decision.cells:
            CELLS[cell.id] = cell
            rate = min(accuracy, key=lambda one: abs(np.log(one / cell.learning_rate)))
            share = accuracy[rate] if abs(np.log(rate / cell.learning_rate)) < 0.3 else at_least
            records[cell.id] = record_of(cell.id, round(share * PROBLEMS))
    raise AssertionError(decision.why)


def rates_of(study: TuningStudy) -> list[float]:
    return sorted(trial.rate for trial in study.trials)


def test_eight_trials_are_halved_twice_in_22_cells() -> None:
    asked = experiment(extensions=0)
    assert asked.protocol is not None and asked.protocol.cells_of_a_study == 22
    rates = rates_of(study_of(asked))
    decision, cells = played(asked, {rate: 0.1 + 0.1 * place for place, rate in enumerate(rates[:6])})
    assert cells == 22
    assert decision.winner is not None and decision.winner.rate == rates[5]
    assert decision.tuning is not None
    assert sorted(map(len, decision.tuning.cells)) == [1, 1, 1, 1, 3, 3, 6, 6]
    seeds = {cell.seed for cell in decision.cells}
    assert seeds == {100, 101, 102, 103, 104, 105}


def test_seeds_of_trials_are_no_seeds_of_the_comparison() -> None:
    with pytest.raises(ValueError, match="seed 104 is one of the protocol's trials"):
        Experiment.model_validate(FILE | {"seeds": [0, 1, 104], "protocol": {}})


def test_a_range_whose_best_is_at_an_end_is_extended_until_it_is_not() -> None:
    asked = experiment()
    rates = rates_of(study_of(asked))
    better = {rate: 0.05 * place for place, rate in enumerate(rates)}
    step = 10 ** (2 / 8)
    better |= {rates[-1] * step: 0.5, rates[-1] * step**2: 0.6, rates[-1] * step**3: 0.3}
    decision, _ = played(asked, better, at_least=0.0)
    assert decision.winner is not None and decision.tuning is not None
    assert decision.winner.rate == pytest.approx(rates[-1] * step**2, rel=0.02)
    assert decision.tuning.trials == 12
    assert max(trial.rate for trial in decision.study.trials) > decision.winner.rate


def test_extension_has_a_limit_and_needs_a_trial_that_is_alone_the_best() -> None:
    asked = experiment(extensions=1)
    rates = rates_of(study_of(asked))
    beyond = [rates[-1] * 10 ** (place / 4) for place in (1, 2, 3, 4)]
    rising, _ = played(asked, {rate: 0.05 + 0.05 * place for place, rate in enumerate([*rates, *beyond])})
    assert rising.tuning is not None and rising.tuning.trials == 10
    level, _ = played(asked, dict.fromkeys(rates, 0.5), at_least=0.5)
    assert level.tuning is not None and level.tuning.trials == 8


def test_final_seeds_are_spread_over_rates_that_are_as_good() -> None:
    asked = experiment(extensions=0)
    rates = rates_of(study_of(asked))
    alike, _ = played(asked, {rates[3]: 0.60, rates[4]: 0.61})
    apart, _ = played(asked, {rates[3]: 0.30, rates[4]: 0.90})
    assert alike.tuning is not None and apart.tuning is not None and alike.winner is not None
    assert alike.tuning.spread == (rates[4], rates[3])
    assert apart.tuning.spread == ()
    grid = final_cells(asked, [Winner(alike.study, alike.winner.entry, alike.tuning)], Selection())
    assert [(cell.seed, cell.learning_rate) for cell in grid] == [
        (seed, rates[4] if seed % 2 == 0 else rates[3]) for seed in range(5)
    ]
    alone, _ = played(experiment(extensions=0, spread_rates=False), {rates[3]: 0.60, rates[4]: 0.61})
    assert alone.tuning is not None and alone.tuning.spread == ()


def test_a_stopped_trial_gets_no_more_seeds_and_cannot_win() -> None:
    asked = experiment(extensions=0, trials=4)
    study, protocol, records = study_of(asked), asked.protocol, dict[str, RunRecord]()
    assert protocol is not None
    dead, *sound = study.trials
    while (decision := decide(study, protocol, records)).tuning is None:
        for cell in decision.cells:
            CELLS[cell.id] = cell
            records[cell.id] = record_of(cell.id, 1)
        first = records[dead.cells[0].id]
        why = Cause(type="Dead", message="stopped at step 2 of 3")
        stopped = {"status": "stopped", "cause": why, "accuracy": {"base": first.accuracy["base"]}}
        records[dead.cells[0].id] = first.model_copy(update=stopped)
    assert decision.winner is not None and decision.winner.number != dead.number
    assert decision.tuning.validation[dead.number] is None
    assert sorted(decision.tuning.ranking) == [trial.number for trial in sound]
    assert len(decision.tuning.cells[dead.number]) == 1


def test_a_protocol_of_two_stages_keeps_the_hash_of_committed_records() -> None:
    assert Protocol(trial_seeds=(100,), **WITHOUT_HALVING).hash == "6778c12bc035"


def test_phases_ask_for_trials_until_all_are_decided_and_for_none_twice() -> None:
    phases, records, asked_for = Phases(experiment(extensions=0), Selection()), list[RunRecord](), list[str]()
    for phase in phases:
        work = phase(records)
        for cell in work.cells:
            asked_for.append(cell.id)
            CELLS[cell.id] = cell
            records.append(record_of(cell.id, round(-10 * np.log10(cell.learning_rate))))
    assert len(asked_for) == len(set(asked_for)) == 22 + 5


CURVES = {
    "lora on organism-steps": [0.35, 0.50, 0.65, 0.72, 0.80, 0.0, 0.0, 0.0],
    "full on organism-direct": [0.66, 0.82, 0.81, 0.93, 0.74, 0.0, 0.0, 0.0],
    "lora-xs on organism-steps": [0.30, 0.46, 0.59, 0.63, 0.79, 0.53, 0.07, 0.17],
    "ln-tuning on organism-steps": [0.30, 0.40, 0.50, 0.50, 0.54, 0.03, 0.13, 0.0],
}
"""Validation by rate as in the committed trials, rates of a range in order."""
SPREAD, COLLAPSES = 0.035, 0.25
"""Standard deviation over seeds, the median of the committed rows; share of seeds that collapse at the best rate."""


def true_means(curve: list[float]) -> np.ndarray[Any, Any]:
    """The last rate that learns dies in a quarter of its seeds."""
    means = np.array(curve)
    edge = int(means.argmax())
    means[edge] *= 1 - COLLAPSES
    return means


def seeds_of(curve: list[float], generator: np.random.Generator) -> np.ndarray[Any, Any]:
    """Accuracies of shape (rates, seeds)."""
    drawn = np.clip(np.array(curve)[:, None] + SPREAD * generator.standard_normal((8, 6)), 0, 1)
    edge = int(np.argmax(curve))
    drawn[edge] *= generator.random(6) >= COLLAPSES
    return drawn


def regret(asked: Experiment, repetitions: int) -> float:
    """Mean of what the chosen rate lacks to the best one."""
    study, protocol = study_of(asked), asked.protocol
    assert protocol is not None
    generator, lost = np.random.default_rng(5), list[float]()
    by_rate: list[ProtocolTrial] = sorted(study.trials, key=lambda trial: trial.rate)
    for trial in by_rate:
        CELLS.update({cell.id: cell for cell in trial.cells})
    for curve in CURVES.values():
        means = true_means(curve)
        for _ in range(repetitions):
            drawn = seeds_of(curve, generator)
            records = {
                cell.id: record_of(cell.id, round(drawn[place, seed] * PROBLEMS))
                for place, trial in enumerate(by_rate)
                for seed, cell in enumerate(trial.cells)
            }
            winner = decide(study, protocol, records).winner
            assert winner is not None
            lost.append(float(means.max() - means[by_rate.index(winner)]))
    return float(np.mean(lost))


def test_halving_chooses_better_rates_than_one_seed_each() -> None:
    """Seeds are drawn anew for each of 4 x 100 studies; the same draws for both."""
    halved = regret(experiment(extensions=0, spread_rates=False), 100)
    single = regret(experiment(**WITHOUT_HALVING), 100)
    assert halved < 0.75 * single
