"""The table `[measurements]`: what a cell measures, what is refused, and where its id keeps it."""

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.identity import scoring_identity
from rlvr_bench.experiment.measurements import DEFAULT, REGISTRY, MeasurementSettings, resolve
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.plugins.registry import plugin_entries

FILE: dict[str, Any] = {
    "name": "mine",
    "seeds": [0],
    "bases": ["organism-steps"],
    "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
    "methods": {"full": {"learning_rate": 1e-3}},
}


class Depth(MeasurementSettings):
    """A measurement of another package."""

    implementation = "another_package:DepthOfCell"

    layers: int = 2


@pytest.fixture
def depth(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("depth", f"{__name__}:Depth", "rlvr_bench.measurements")
    monkeypatch.setitem(plugin_entries("rlvr_bench.measurements"), "depth", (entry,))


def _cell(table: dict[str, Any]) -> Cell:
    (cell,) = cells(Experiment.model_validate(FILE | {"measurements": table}))
    return cell


def test_the_default_is_measured_unless_it_is_left_out() -> None:
    assert set(resolve({})) == set(DEFAULT)
    assert set(resolve({"geometry": False, "rank_one": True})) == {*DEFAULT, "rank_one"} - {"geometry"}
    thinking = resolve({"thinking": {"traces": {"samples": 4}}})["thinking"]
    assert thinking["traces"]["samples"] == 4 and thinking["scorer"]["rank"] == 16


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ({"geometri": True}, "unknown measurement 'geometri'; did you mean 'geometry'?"),
        ({"geometri": False}, "did you mean 'geometry'"),
        ({"divergence": {"problem": 3}}, 'measurements.divergence: unknown key "problem"; did you mean'),
        ({"divergence": {"problems": 0}}, "measurements.divergence: problems = 0"),
        ({"thinking": {"traces": {"samples": 1}}}, "measurements.thinking: traces.samples = 1"),
        ({"rank_one": 3}, "measurements.rank_one"),
    ],
)
def test_what_is_no_measurement_is_refused_in_one_sentence(table: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ExperimentError, match=re.escape(complaint)) as refused:
        resolve(table)
    assert "\n" not in str(refused.value)


def test_two_packages_cannot_claim_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    claims = tuple(EntryPoint("depth", value, "rlvr_bench.measurements") for value in ("one:Depth", "two:Depth"))
    monkeypatch.setitem(plugin_entries("rlvr_bench.measurements"), "depth", claims)
    with pytest.raises(ExperimentError, match="registered by one:Depth and by two:Depth"):
        REGISTRY.settings_class("depth")


def test_what_once_was_a_key_of_evaluation_stays_there_in_an_id() -> None:
    thinking = {"traces": {"samples": 4}, "scorer": {"rank": 4}}
    table = {"rank_one": True, "prompt_range": True, "divergence": True, "thinking": thinking}
    assert scoring_identity(EvaluateSettings(samples=5), resolve(table)) == {
        "evaluate": {"samples": 5, "rank_one": True, "prompt_range": True, "kl_problems": 64},
        "verify": {"traces": {"samples": 4}, "verifier": {"rank": 4}},
    }
    assert scoring_identity(EvaluateSettings(), resolve({})) == {"evaluate": {}}
    assert scoring_identity(EvaluateSettings(), resolve({"behaviour": False}))["measurements"] == {"behaviour": None}


@pytest.mark.usefixtures("depth")
def test_a_measurement_of_another_package_enters_an_id_with_what_differs_from_its_defaults() -> None:
    tables: list[dict[str, Any]] = [{}, {"depth": True}, {"depth": {"layers": 3}}]
    plain, asked, other = map(_cell, tables)
    assert scoring_identity(asked.evaluate, asked.measurements)["measurements"] == {"depth": {}}
    assert scoring_identity(other.evaluate, other.measurements)["measurements"] == {"depth": {"layers": 3}}
    assert len({cell.id for cell in (plain, asked, other)}) == 3
    assert other.measurements["depth"] == {"layers": 3} and asked.id == _cell({"depth": {"layers": 2}}).id


def test_reading_every_measurement_imports_no_torch() -> None:
    settings = {name: {"tasks": ["arithmetic"]} if name == "lm_eval" else True for name in REGISTRY.names()}
    code = (
        "import sys; from rlvr_bench.experiment.measurements import resolve; "
        f"resolve({settings}); print([name for name in ('torch', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
