"""What a plan says of cost: by past cells, or roughly for a hub model that has none."""

import json
from pathlib import Path
from typing import Any

import pytest
from record_factory import record

from rlvr_bench.experiment.changes import Changes, parsed_keys
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment, load, presets
from rlvr_bench.experiment.grid import cells
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.plan.estimate import billions, estimate
from rlvr_bench.sweep.phases import plan_phases
from rlvr_bench.sweep.protocol_trials import Selection

FILE: dict[str, Any] = {
    "name": "mine",
    "seeds": [0],
    "bases": ["organism-steps"],
    "task": {"name": "chain", "levels": [4], "train": 64, "validation": 4, "test": 4},
    "signal": {"steps": 80, "prompts_per_batch": 8, "group_size": 8},
    "methods": {"lora": {"learning_rate": 1e-3}},
}


def _cells(**changes: Any) -> list[Any]:
    return cells(Experiment.model_validate(FILE | changes), fetch=False)


def _past(**cell: Any) -> Any:
    """Return a record of 640 completions (40 steps of 4 x 8 / 2): 10 s of training, 3 s of scoring, 1 s of loading."""
    past = record("lora", 0)
    seconds = {"train": 10.0, "evaluate": 3.0, "load": 1.0}
    cost = past.cost.model_copy(update={"seconds": seconds})
    return past.model_copy(update={"cost": cost, "cell": past.cell | cell})


def test_training_grows_with_completions_and_other_stages_do_not() -> None:
    cost = estimate(_cells(), [_past()])
    assert cost.seconds == pytest.approx(10.0 * 80 * 64 / 640 + 3.0 + 1.0)
    assert cost.tokens == 5000 * 8
    assert (cost.rough_tokens, cost.unknown) == (0, 0)


def test_evaluation_grows_with_the_completions_that_are_scored() -> None:
    scoring = {"splits": ["test"], "samples": 4, "sampled_splits": ["test"], "sampled_problems": 8}
    past = _past(task={"name": "chain", "test": 16}, evaluate=scoring)  # 16 greedy completions and 8 x 4 samples
    task = FILE["task"] | {"test": 4096}
    planned = _cells(task=task, evaluate=scoring | {"sampled_problems": 128})

    cost = estimate(planned, [past])

    assert cost.seconds == pytest.approx(80.0 + 1.0 + 3.0 * (4096 + 128 * 4) / (16 + 8 * 4))


def test_cells_of_the_same_method_are_preferred_and_failed_ones_do_not_count() -> None:
    own, other = record("lora", 0), record("full", 0)
    slow = other.model_copy(update={"cost": other.cost.model_copy(update={"seconds": {"train": 1000.0}})})
    failed = record("lora", 2, status="failed")
    assert estimate(_cells(), [own, slow, failed]).seconds == estimate(_cells(), [own]).seconds
    assert estimate(_cells(), [slow]).seconds == pytest.approx(1000.0 * 8)


def test_without_past_cells_an_organism_has_no_estimate_and_a_hub_model_a_rough_one() -> None:
    unknown = estimate(_cells(), []).sentence(2)
    assert unknown == "how long they take is not known (no past cell of the same base, task and signal)"
    hub = _cells(bases=["Qwen/Qwen2.5-Math-7B"], signal={"steps": 10, "max_new_tokens": 100})
    cost = estimate(hub, [])
    assert cost.rough_tokens == 10 * 64 * 100
    assert cost.rough_gpu_hours == pytest.approx(64_000 / (10_000 / 7) / 3600)
    assert "assumes 10,000 tokens/s" in cost.sentence(1)


@pytest.mark.parametrize(("rows", "billions_found"), [(2_000, None), (200_000_000, 0.4)])
def test_a_folders_size_is_that_of_its_weights_and_of_a_small_one_nothing_is_said(
    tmp_path: Path, rows: int, billions_found: float | None
) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [rows, 2], "data_offsets": [0, 0]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "config.json").write_text("{}")
    (planned,) = _cells(signal={"steps": 10, "max_new_tokens": 100})
    cost = estimate([planned.model_copy(update={"base": BaseConfig(name=str(tmp_path))})], [])
    assert cost.unknown == (billions_found is None)
    assert cost.rough_gpu_hours == pytest.approx(64_000 / 10_000 * (billions_found or 0) / 3600)


def test_a_folder_that_is_not_there_has_no_estimate() -> None:
    (planned,) = _cells()
    assert estimate([planned.model_copy(update={"base": BaseConfig(name="./nowhere")})], []).unknown == 1


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen2.5-Math-7B", 7),
        ("a/DeepSeek-R1-Distill-Qwen-1.5B", 1.5),
        ("meta-llama/Llama-3.2-3B-Instruct", 3),
        ("a/b", 7),
    ],
)
def test_a_size_is_read_from_the_name(name: str, size: float) -> None:
    assert billions(name) == size


@pytest.mark.parametrize("name", sorted(name for name in presets() if name.startswith("published-")))
def test_a_published_experiment_is_planned_without_its_model(name: str, tmp_path: Any) -> None:
    found = plan_phases(load(name), Selection(fetch=False), tmp_path)
    assert found.cells and {entry.state for entry in found.cells} <= {"missing"}
    assert all("not downloaded: " in entry.why for entry in found.cells)
    cost = estimate([entry.cell for entry in found.cells], [])
    assert cost.rough_gpu_hours > 1
    swapped = load(name, Changes(base="organism-steps", task="chain"))
    local = plan_phases(swapped, Selection(fetch=False), tmp_path)
    assert all(not entry.cell.absent for entry in local.cells)
    assert {entry.cell.signal.max_new_tokens for entry in local.cells} == {64}


def test_keys_of_the_command_line_replace_those_of_the_file() -> None:
    changed = Changes(
        keys=parsed_keys(["signal.steps=4", 'rewards=["format"]', "task.levels=[3]", "name=other"])
    ).applied(FILE)
    assert changed["signal"]["steps"] == 4 and changed["signal"]["group_size"] == 8
    assert changed["rewards"] == ["format"] and changed["task"]["levels"] == [3] and changed["name"] == "other"
    assert FILE["signal"]["steps"] == 80
    with pytest.raises(ExperimentError, match='"name" is no table'):
        Changes(keys=parsed_keys(["name.x=4"])).applied(FILE)
