"""The two stages of a protocol: equal trials, a planted winner, a hash that changes when it should."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import qmc

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.experiment.search_space import Choices, Range, settings_at, space_of
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.stats.points import DIMENSIONS, grid, quasi_random, uniform
from rlvr_bench.sweep.protocol_trials import Selection, TuningStudy, tuning_studies

FILE: dict[str, Any] = {
    "name": "tuned",
    "seeds": [0, 1, 2],
    "bases": ["organism-steps"],
    "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
    "signal": {"steps": 3},
    "protocol": {"trials": 8},
    "methods": {
        "full": {},
        "lora": {"search": {"learning_rate": {"low": 1e-4, "high": 1e-2}, "rank": [2, 4, 8]}},
    },
}


def experiment(**changes: Any) -> Experiment:
    return Experiment.model_validate(FILE | changes)


def held(**changes: Any) -> list[TuningStudy]:
    asked = experiment(**changes)
    assert asked.protocol is not None
    return tuning_studies(asked, asked.protocol, Selection())


def test_points_are_those_of_scipy_and_more_trials_begin_with_the_same() -> None:
    direct = qmc.Sobol(DIMENSIONS, scramble=True, rng=7).random(8)
    assert np.array_equal(quasi_random(8, 7), direct)
    for points in (quasi_random, uniform):
        assert np.array_equal(points(16, 7)[:5], points(5, 7))
        assert not np.array_equal(points(5, 7), points(5, 8))


def test_eight_quasi_random_rates_lie_in_eight_equal_parts_of_the_range() -> None:
    assert sorted((quasi_random(8, 0)[:, 0] * 8).astype(int)) == list(range(8))


@pytest.mark.parametrize(
    ("trials", "choices", "size"), [(9, [None, None], 9), (8, [None, 3], 6), (5, [None], 5), (6, [2, 3], 6)]
)
def test_a_grid_is_full_and_holds_the_ends_of_its_ranges(trials: int, choices: list[int | None], size: int) -> None:
    points = grid(trials, choices)
    assert len(set(points)) == len(points) == size
    for axis, count in enumerate(choices):
        values = {point[axis] for point in points}
        assert {0.0, 1.0} <= values if count is None else len(values) == count


def test_a_grid_that_is_too_small_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match="needs 4 trials"):
        grid(3, [None, None])


def test_every_method_tries_the_same_points_of_its_own_range() -> None:
    full, lora = held()
    assert len(full.trials) == len(lora.trials) == 8
    units = [
        [np.log(trial.entry["learning_rate"] / dial.low) / np.log(dial.high / dial.low) for trial in study.trials]
        for study in (full, lora)
        if isinstance(dial := study.space["learning_rate"], Range)
    ]
    assert np.allclose(units[0], units[1], atol=2e-3)  # rates are tried at three digits
    assert np.allclose(units[0], quasi_random(8, 0)[:, 0], atol=2e-3)
    assert {trial.entry["rank"] for trial in lora.trials} == {2, 4, 8}


def test_trials_are_ordinary_cells_that_never_see_the_test_split_or_a_final_seed() -> None:
    for study in held(protocol={"trials": 4, "trial_seeds": [7, 8], "trial_steps": 2, "halving": []}):
        cells = [cell for trial in study.trials for cell in trial.cells]
        assert [cell.seed for cell in cells] == [7, 8] * 4
        assert {cell.evaluate.splits for cell in cells} == {("validation",)}
        assert {cell.signal.steps for cell in cells} == {2}
        assert len({cell.id for cell in cells}) == 8
        assert all(cell.tuning is None for cell in cells)


def test_a_method_with_a_given_rate_is_not_tuned() -> None:
    methods = FILE["methods"] | {"c3a": {"learning_rate": 1e-2}}
    assert [study.method for study in held(methods=methods)] == ["full", "lora"]


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": 4},
        {"seed": 1},
        {"trial_seeds": [101]},
        {"trial_steps": 2},
        {"judged_by": "avg_k"},
        {"halving": []},
        {"extensions": 0},
        {"spread_rates": False},
    ],
)
def test_the_hash_changes_with_what_a_protocol_says(changes: dict[str, Any]) -> None:
    assert Protocol(trials=8).hash == Protocol().hash
    assert Protocol.model_validate({"trials": 8} | changes).hash != Protocol(trials=8).hash


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"seeds": [0, 1]}, "compares over 3 or more"),
        ({"seeds": [0, 1, 100]}, "seed 100 is one of the protocol's trials"),
        ({"protocol": {"trails": 8}}, "protocol.trails"),
        ({"protocol": {"trials": 1}}, "protocol.trials"),
        ({"methods": {"lora": {"search": {"rank": {"low": 8, "high": 2}}}}}, "low = 8 is not below high = 2"),
        ({"methods": {"lora": {"search": {"rank": {"low": 8, "high": 9, "logg": True}}}}}, "did you mean 'log'"),
        ({"methods": {"lora": {"search": {"rank": [8]}}}}, "give two or more that differ"),
        ({"methods": {"lora": {"search": 3}}}, "is not a table"),
    ],
)
def test_what_a_protocol_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        experiment(**changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"search": {"rnak": [2, 4]}}, "did you mean 'rank'"),
        ({"rank": 4, "search": {"rank": [2, 4]}}, "rank is given and searched"),
        ({"search": {"learning_rate": [1e-3, 1e-2]}}, "2 different settings at the 8 points"),
    ],
)
def test_a_space_that_cannot_be_tried_is_refused(entry: dict[str, Any], says: str) -> None:
    with pytest.raises((ExperimentError, MethodError)) as caught:
        held(methods={"lora": entry})
    assert says in str(caught.value)


def test_the_range_of_a_method_is_its_own_unless_the_file_says_otherwise() -> None:
    from rlvr_bench.methods import registry as method_registry

    space = space_of("lora", {})
    assert space is not None
    low, high = method_registry.method_class("lora").learning_rates
    assert space["learning_rate"] == Range(low=low, high=high)
    assert space_of("lora", {"learning_rate": 1e-3}) is None
    assert list(space_of("lora", {"learning_rate": 1e-3, "search": {"rank": [2, 4]}}) or {}) == ["rank"]


def test_a_unit_becomes_a_value_of_its_dial() -> None:
    space = {"learning_rate": Range(low=1e-4, high=1e-2), "rank": Choices(choices=(2, 4, 8))}
    assert settings_at(space, [0.5, 0.99]) == {"learning_rate": 1e-3, "rank": 8}
    assert settings_at({"alpha": Range(low=1, high=3, log=False, whole=True)}, [0.4]) == {"alpha": 2}


def test_seeds_of_the_command_line_must_be_fresh_too() -> None:
    from rlvr_bench.sweep.protocol_trials import final_cells

    with pytest.raises(ExperimentError, match="--seeds: seed 100"):
        final_cells(experiment(), [], Selection(seeds=(100,)))
