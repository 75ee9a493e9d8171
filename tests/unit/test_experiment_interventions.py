"""The axis `interventions`: what is refused, and cells that are told from those as they are."""

from typing import Any

import pytest

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.identity import training_identity
from rlvr_bench.experiment.interventions import resolve
from rlvr_bench.experiment.settings import RlvrSettings

FILE: dict[str, Any] = {
    "name": "mine",
    "seeds": [0],
    "bases": ["organism-steps"],
    "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
    "methods": {"lora": {"learning_rate": 1e-3}},
}


def test_interventions_are_an_axis_of_the_grid() -> None:
    tables = [{}, {"adapter_dropout": True}, {"adapter_dropout": {"share": 0.5}}, {"rotate_heads": {"layers": [0]}}]
    grid = cells(Experiment.model_validate(FILE | {"interventions": tables}))
    assert [list(cell.interventions) for cell in grid] == [list(table) for table in tables]
    assert len({cell.id for cell in grid}) == len({cell.comparison for cell in grid}) == 4
    assert len({cell.base_fingerprint for cell in grid}) == 2
    (plain,) = cells(Experiment.model_validate(FILE))
    assert plain.id == grid[0].id


def test_what_once_was_a_key_of_the_signal_stays_there_in_an_id() -> None:
    both = resolve({"adapter_dropout": True, "merge_in_place": True, "permute_heads": {"layers": [1]}})
    assert training_identity(RlvrSettings(steps=3), both) == {
        "signal": {"steps": 3, "adapter_dropout": 0.05, "merge": "in-place", "type": "rlvr"}
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"interventions": [{"adapter_drop": True}]}, "did you mean 'adapter_dropout'"),
        ({"interventions": [{"rotate_heads": {"layers": []}}]}, "interventions.rotate_heads: layers"),
        ({"interventions": [{"merge_in_place": True}], "signal": {"type": "sft"}}, "acts in GRPO"),
        ({"interventions": []}, "at least 1"),
    ],
)
def test_what_cannot_be_done_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Experiment.model_validate(FILE | changes)


def test_an_intervention_that_is_there_twice_is_refused() -> None:
    twice = Experiment.model_validate(FILE | {"interventions": [{"merge_in_place": True}, {"merge_in_place": {}}]})
    with pytest.raises(ExperimentError, match="an intervention twice"):
        cells(twice)
