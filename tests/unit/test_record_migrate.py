"""Records of schema version 1 that were kept as they were written, read as today's."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.record.behaviour import Behaviour
from rlvr_bench.record.migrate import run_document
from rlvr_bench.record.schema import SCHEMA_VERSION, RunRecord, Score
from rlvr_bench.record.store import read_run, read_steps

OLD = Path(__file__).parents[1] / "data" / "records-v1"
NAMES = sorted(path.stem for path in OLD.glob("*.json"))


def _old(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((OLD / f"{name}.json").read_bytes())
    assert document["schema_version"] == 1
    return document


def _new(name: str) -> RunRecord:
    return read_run(OLD / f"{name}.json")


@pytest.mark.parametrize("name", NAMES)
def test_every_score_and_the_address_of_a_cell_stay(name: str) -> None:
    old, new = _old(name), _new(name)
    assert new.schema_version == SCHEMA_VERSION
    assert (new.cell_id, new.comparison, new.status) == (old["cell_id"], old["comparison"], old["status"])
    for role in ("base", "tuned"):
        for task, by_split in old["accuracy"][role].items():
            for split, score in by_split.items():
                measured = {key: value for key, value in score.items() if key not in ("kl", "kl_forward")}
                assert new.accuracy[role][task][split] == Score.model_validate(measured)  # type: ignore[index]
    behaviour = new.measurement("behaviour")
    assert behaviour == old.get("behaviour")
    assert behaviour is None or Behaviour.model_validate(behaviour)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "older-keys"])
def test_settings_that_are_read_today_give_the_id_that_they_had(name: str) -> None:
    record = _new(name)
    cell = Cell.model_validate(record.cell)
    assert (cell.id, cell.comparison) == (record.cell_id, record.comparison)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "unmerged"])
def test_geometry_is_parted_into_figures_masks_and_trajectory(name: str) -> None:
    old, new = _old(name)["geometry"], _new(name)
    geometry, masks, trajectory = map(new.measurement, ("geometry", "mask_sample", "trajectory"))
    assert geometry is not None
    assert geometry["sparsity_bf16"] == old["sparsity_bf16"] and geometry.get("by_layer") == old.get("by_layer")
    assert not {"changed_sample", "linearity_r2", "kl_per_step"} & geometry.keys()
    assert len(geometry) + len(masks or {}) + len(trajectory or {}) == len(old)
    assert (masks or {}).get("changed") == old.get("changed_sample")
    assert (trajectory or {}).get("linearity_r2") == old.get("linearity_r2")


def test_a_method_that_was_not_merged_has_no_geometry() -> None:
    assert set(_new("unmerged").measurements) == {"behaviour"}


def test_keys_of_evaluation_became_measurements() -> None:
    record = _new("contamination")
    assert "contamination" not in record.cell["evaluate"]
    assert set(record.cell["measurements"]) >= {"geometry", "contamination", "prompt_range"}
    probed = record.measurement("contamination")
    assert probed is not None and set(probed) == {"base", "tuned"}
    assert probed == _old("contamination")["contamination"]
    styles = _new("prompt-range").measurement("prompt_range") or {}
    assert Score.model_validate(styles["irrelevant"]).greedy == 0.0


def test_the_divergence_left_the_scores() -> None:
    record = _new("divergence")
    assert record.cell["measurements"]["divergence"] == {"problems": 64}
    measured = record.measurement("divergence") or {}
    assert measured["chain"] == {"kl": 0.06984832093088476, "kl_forward": 0.2125262067406668}
    assert len(measured) == 9


def test_the_rank_one_model_left_the_scores() -> None:
    record = _new("rank-one-rotated-heads")
    assert set(record.accuracy) == {"base", "tuned"}
    score = Score.model_validate(record.measurement("rank_one"))
    assert score.greedy == _old("rank-one-rotated-heads")["accuracy"]["rank_one"]["chain"]["test"]["greedy"]
    assert set(record.measurement("mask_sample") or {}) == {"changed", "restored"}


def test_grading_is_no_longer_called_as_a_probe_is() -> None:
    old, new = _old("plain")["cost"]["seconds"], _new("plain").cost
    assert new.seconds["train/grade"] == old["train/verify"]
    assert new.seconds.keys() == {"train/grade", *old} - {"train/verify"}
    steps = read_steps(OLD)
    lines = [json.loads(line) for line in (OLD / "steps.jsonl").open()]
    assert [step.seconds_grade for step in steps] == [line["seconds_verify"] for line in lines]
    assert all("seconds_verify" not in json.loads(step.to_json()) for step in steps)


def test_a_table_of_thinking_became_a_measurement() -> None:
    old = _old("plain")
    settings = {"traces": {"samples": 4}, "verifier": {"rank": 4}}
    old["cell"]["verify"], old["think"], old["cost"]["seconds"]["verify"] = settings, {"full_vote": 0.5}, 2.0
    before = deepcopy(old)
    new = RunRecord.model_validate(run_document(old))
    assert old == before
    assert new.cell["measurements"]["thinking"] == {"traces": {"samples": 4}, "scorer": {"rank": 4}}
    assert "verify" not in new.cell
    assert new.measurement("thinking") == {"full_vote": 0.5} and new.cost.seconds["thinking"] == 2.0


def test_a_document_of_today_or_of_a_later_version_is_left_alone() -> None:
    document = json.loads(_new("plain").to_json())
    assert run_document(document) is document
    later = document | {"schema_version": 9}
    assert run_document(later) is later


@pytest.mark.parametrize(
    ("name", "interventions"),
    [
        ("plain", {}),
        ("rank-one-rotated-heads", None),
        ("published-habits", {"adapter_dropout": {"share": 0.05}, "merge_in_place": {}}),
    ],
)
def test_what_was_done_on_purpose_left_base_and_signal(name: str, interventions: dict[str, Any] | None) -> None:
    old, new = _old(name)["cell"], _new(name).cell
    if interventions is None:
        kind = old["base"]["intervention"].replace("-", "_")
        interventions = {kind: {"layers": [1], "seed": 0}}
    assert new["interventions"] == interventions
    assert not {"intervention", "intervention_layers", "intervention_seed"} & new["base"].keys()
    assert not {"adapter_dropout", "merge"} & new["signal"].keys()
