"""What a cell's id depends on: everything that changes its result, and nothing else."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.experiment.cell import RESULT_SCHEMA, Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment, load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.settings import EvaluateSettings, RlvrSettings
from rlvr_bench.experiment.signals import RftSettings, RlhfSettings, SftRlvrSettings, SftSettings
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.record.store import packed_file, read_packed

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

SETTINGS = (RlvrSettings, EvaluateSettings, SftSettings, RftSettings, RlhfSettings, SftRlvrSettings)
DEFAULTS = {3: "f3f584098a73"}
"""Hash of all defaults of signals and evaluation, by result schema."""


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
        {"measurements": {"geometry": True, "behaviour": {}}},
        {"measurements": {"geometry": "full"}},
    ],
)
def test_a_default_that_is_written_out_does_not_change_the_id(changes: dict[str, Any]) -> None:
    assert _cell(**changes).id == _cell().id


@pytest.mark.parametrize(
    "changes",
    [
        {"signal": {"type": "rlvr", "steps": 4}},
        {"signal": {"type": "rlvr", "steps": 3, "rollout_backend": "hf"}},
        {"signal": {"type": "rlvr", "steps": 3, "match": "flops", "budget": 1e12}},
        {"signal": {"type": "sft", "steps": 3}},
        {"evaluate": {"samples": 5}},
        {"measurements": {"geometry": False}},
        {"measurements": {"rank_one": True}},
        {"measurements": {"divergence": {"problems": 8}}},
        {"measurements": {"thinking": True}},
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


def test_the_content_of_a_file_that_a_method_reads_changes_the_id(tmp_path: Path) -> None:
    file = tmp_path / "tuned.safetensors"
    mask = {"type": "mask", "select": "rl-subnetwork", "tuned": str(file), "learning_rate": 1e-3}
    with pytest.raises(ExperimentError, match="which does not exist"):
        _cell(methods={"mask": mask})
    ids = set()
    for content in (b"first", b"second"):
        file.write_bytes(content)
        ids.add(_cell(methods={"mask": mask}).id)
    assert len(ids) == 2


def test_keeping_weights_does_not_change_the_id() -> None:
    assert _cell(keep_weights=True).id == _cell().id


def test_a_method_may_be_called_anything() -> None:
    assert _cell(methods={"mine": {"type": "lora", "rank": 8, "learning_rate": 1e-3}}).id == _cell().id


def test_a_changed_default_needs_a_new_result_schema() -> None:
    # A new key may be added to the digest; a default of an old one that changes makes old records wrong.
    defaults = [settings().model_dump(mode="json") for settings in SETTINGS]
    digest = hashlib.sha256(json.dumps(defaults, sort_keys=True).encode()).hexdigest()[:12]
    assert digest == DEFAULTS[RESULT_SCHEMA]


def test_signals_and_tasks_are_axes_of_the_grid() -> None:
    signals = [{"type": "rlvr"}, {"type": "sft"}, {"type": "sft", "teacher_accuracy": 0.5}]
    tasks = [FILE["task"] | {"train": 128, "levels": [level]} for level in (2, 3)]
    document = {key: value for key, value in FILE.items() if key not in ("signal", "task")}
    grid = cells(
        Experiment.model_validate(document | {"signals": signals, "tasks": tasks, "rewards": ["exact", "format"]})
    )
    pairs = [(cell.signal.type, cell.reward["name"]) for cell in grid]
    assert pairs == [("rlvr", "exact"), ("rlvr", "format"), ("sft", "none"), ("sft", "none")] * 2
    assert len({cell.comparison for cell in grid}) == len(grid)


def test_a_task_without_solutions_cannot_be_imitated(tmp_path: Path) -> None:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(f'{{"question": "What is {n} + 1?", "answer": "{n + 1}"}}\n' for n in range(400)))
    task = {"name": "jsonl", "path": str(path), "train": 64, "validation": 4, "test": 4}
    with pytest.raises(ValueError, match="has no worked solutions"):
        _cell(task=task, signal={"type": "sft"})


def test_a_new_setting_leaves_the_committed_results_valid() -> None:
    committed, default = Path(__file__).parents[2] / "results", cells(load("default"))
    files = {packed_file(committed, cell.comparison) for cell in default}
    records = [record for file in files for record in read_packed(file) if isinstance(record, RunRecord)]
    assert {cell.id for cell in default} <= {record.cell_id for record in records}
