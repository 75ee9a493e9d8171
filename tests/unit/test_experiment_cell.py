"""What a cell's id depends on: everything that changes its result, and nothing else."""

import hashlib
import json
from typing import Any

import pytest

from bench.experiment.cell import RESULT_SCHEMA, Cell, cells
from bench.experiment.experiment import Experiment
from bench.experiment.settings import EvaluateSettings, RlvrSettings

FILE: dict[str, Any] = {
    "name": "mine",
    "description": "for tests",
    "seeds": [0],
    "bases": ["organism-steps"],
    "rewards": ["exact"],
    "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
    "signal": {"type": "rlvr", "steps": 3},
    "evaluate": {},
    "methods": {"lora": {"rank": 8, "learning_rate": 1e-3}},
}

DEFAULTS = {2: "88a516ce79eb"}
"""Hash of all defaults of signal and evaluation, by result schema."""


def _cell(**changes: Any) -> Cell:
    (cell,) = cells(Experiment.model_validate(FILE | changes))
    return cell


@pytest.mark.parametrize(
    "changes",
    [
        {"signal": {"type": "rlvr", "steps": 3, "temperature": 1.0, "clip_low": 0.2}},
        {"evaluate": {"samples": 4}},
        {"methods": {"lora": {"rank": 8, "learning_rate": 1e-3, "alpha": 32}}},
        {"signal": {"type": "rlvr", "steps": 3, "probe_every": 5}},
    ],
)
def test_a_default_that_is_written_out_does_not_change_the_id(changes: dict[str, Any]) -> None:
    assert _cell(**changes).id == _cell().id


@pytest.mark.parametrize(
    "changes",
    [
        {"signal": {"type": "rlvr", "steps": 4}},
        {"signal": {"type": "rlvr", "steps": 3, "rollout_backend": "hf"}},
        {"evaluate": {"samples": 5}},
        {"rewards": ["format"]},
        {"seeds": [1]},
        {"bases": ["organism-direct"]},
        {"task": FILE["task"] | {"levels": [3]}},
        {"methods": {"lora": {"rank": 4, "learning_rate": 1e-3}}},
        {"methods": {"lora": {"rank": 8, "learning_rate": 2e-3}}},
    ],
)
def test_what_changes_the_result_changes_the_id(changes: dict[str, Any]) -> None:
    assert _cell(**changes).id != _cell().id


def test_a_method_may_be_called_anything() -> None:
    assert _cell(methods={"mine": {"type": "lora", "rank": 8, "learning_rate": 1e-3}}).id == _cell().id


def test_a_changed_default_needs_a_new_result_schema() -> None:
    # A new key may be added to the digest; a default of an old one that changes makes old records wrong.
    defaults = [settings().model_dump(mode="json") for settings in (RlvrSettings, EvaluateSettings)]
    digest = hashlib.sha256(json.dumps(defaults, sort_keys=True).encode()).hexdigest()[:12]
    assert digest == DEFAULTS[RESULT_SCHEMA]
