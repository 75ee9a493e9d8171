"""`rlvr-bench run` as a process: finished, killed, interrupted, with a dying cell, with bad input."""

import csv
import json
import os
import random
import signal
import socket
import subprocess
from pathlib import Path

import pytest
import torch
from launch_fixture import cells_of, command, environment, run, save_tiny_base, wait_for, write_experiment
from safetensors import safe_open

from rlvr_bench.leaderboard.columns import COLUMNS
from rlvr_bench.methods.masks.tuned_weights import TunedWeights

MEASURED = {column.name for column in COLUMNS if column.measured}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_base(tmp_path_factory.mktemp("base") / "tiny-base")


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run: tiny.toml, cache/, results/."""
    folder = tmp_path_factory.mktemp("finished")
    done = run(folder / "cache", "run", write_experiment(folder, base), "--results", folder / "results")
    assert done.returncode == 0, done.stderr
    return folder


def _rows(results: Path) -> list[dict[str, str]]:
    with (results / "leaderboard.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in MEASURED} for row in csv.DictReader(file)]


def _records(results: Path) -> list[Path]:
    return sorted((results / "runs").glob("*/*/*/run.json"))


def test_kept_weights_are_a_checkpoint_that_a_mask_can_read(finished: Path, base: Path) -> None:
    (record, *_) = sorted((finished / "results" / "runs").glob("*/full/*/run.json"))
    kept = TunedWeights(str(finished / "cache" / "cells" / json.loads(record.read_text())["cell_id"] / "model"))
    name = "model.layers.0.mlp.down_proj.weight"
    with safe_open(base / "model.safetensors", framework="pt") as stored:
        before = stored.get_tensor(name)
    assert not torch.equal(kept.weight(name, before), before)


def test_a_run_leaves_a_record_per_cell_and_a_row_per_method(finished: Path) -> None:
    assert len(_records(finished / "results")) == 6
    assert {row["method"] for row in _rows(finished / "results")} == {"base", "full", "lora", "c3a"}
    record = json.loads(_records(finished / "results")[0].read_text())
    assert record["status"] == "done"
    assert record["attestation"]["problems"] == []
    assert record["rollout"]["backend"] == "fast"
    assert record["rollout"]["mismatch_max"] < 1e-3
    assert record["stability"]["steps"] == 3
    assert set(record["accuracy"]["tuned"]["chain"]) == {"validation", "test"}
    measured = record["measurements"]
    assert set(measured) == {"geometry", "mask_sample", "trajectory", "behaviour"}
    assert measured["geometry"]["null"]["isotropic"]["principal_energy_joint"]["lift"] > 0
    assert measured["trajectory"]["linearity_r2"] <= 1
    assert set(measured) < record["cost"]["seconds"].keys()


def test_the_realised_type_is_the_requested_one(finished: Path) -> None:
    (path, *_) = (finished / "results" / "runs").glob("*/c3a/*/run.json")
    attestation = json.loads(path.read_text())["attestation"]
    assert attestation["requested"]["peft_type"] == "C3A"
    assert "C3A" in json.dumps(attestation["realised"])


def test_each_step_has_its_line(finished: Path) -> None:
    lines = [json.loads(line) for line in (_records(finished / "results")[0].parent / "steps.jsonl").open()]
    assert [line["step"] for line in lines] == [1, 2, 3]
    expected = {
        "reward", "reward_std", "frac_reward_zero_std", "entropy", "kl", "clip_ratio/low_mean", "clip_ratio/high_mean",
        "grad_norm", "update_norm", "weight_norm", "completions/mean_length", "completions/max_length",
        "completions/clipped_ratio", "unparsed", "verifier_errors", "tokens", "seconds_rollout", "seconds_grade",
        "seconds_log_probs", "seconds_train", "peak_memory_bytes", "accuracy", "swallowed",
    }  # fmt: skip
    assert expected <= lines[-1].keys()
    assert lines[0]["kl"] == pytest.approx(0, abs=1e-6)


def test_what_is_done_is_not_run_again(finished: Path) -> None:
    before = [path.stat().st_mtime_ns for path in _records(finished / "results")]
    again = run(finished / "cache", "run", finished / "tiny.toml", "--results", finished / "results")
    assert again.returncode == 0, again.stderr
    assert "0 cells to run, 6 already" in again.stderr
    assert [path.stat().st_mtime_ns for path in _records(finished / "results")] == before


def test_a_changed_setting_makes_a_cell_stale_and_plan_says_which(finished: Path, base: Path, tmp_path: Path) -> None:
    changed = write_experiment(tmp_path, base, steps=4)
    planned = run(finished / "cache", "plan", changed, "--results", finished / "results", "--json")
    cells = json.loads(planned.stdout)["cells"]
    assert {cell["state"] for cell in cells} == {"stale"}
    assert all("signal.steps 3 -> 4" in cell["why"] for cell in cells)


def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(finished: Path, tmp_path: Path) -> None:
    arguments = ("run", finished / "tiny.toml", "--results", tmp_path / "results")
    moments = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(
            command(*arguments), env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            process.wait(timeout=moments.uniform(8, 25))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    done = run(tmp_path / "cache", *arguments)
    assert done.returncode == 0, done.stderr
    assert _rows(tmp_path / "results") == _rows(finished / "results")


def _take_interrupts() -> None:
    """Undo what a shell does to its background jobs: they ignore SIGINT, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_keeps_what_is_done(finished: Path, tmp_path: Path) -> None:
    arguments = ("run", finished / "tiny.toml", "--results", tmp_path / "results", "--workers", "1")
    process = subprocess.Popen(
        command(*arguments), env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, text=True, preexec_fn=_take_interrupts,
    )  # fmt: skip
    wait_for(lambda: _records(tmp_path / "results"), process)
    os.killpg(process.pid, signal.SIGINT)
    _, says = process.communicate(timeout=900)
    assert process.returncode == 130
    assert "the same command goes on from there" in says
    assert "Traceback" not in says
    assert 1 <= len(_records(tmp_path / "results")) < 6


def test_ctrl_c_in_the_middle_of_training_leaves_no_warning(base: Path, tmp_path: Path) -> None:
    arguments = ("run", write_experiment(tmp_path, base, steps=10_000), "--results", tmp_path / "results")
    process = subprocess.Popen(
        command(*arguments), env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        start_new_session=True, text=True, preexec_fn=_take_interrupts,
    )  # fmt: skip
    assert process.stderr is not None
    says = ""
    while " train" not in says and process.poll() is None:
        says += process.stderr.read(1)
    os.killpg(process.pid, signal.SIGINT)
    says += process.communicate(timeout=900)[1]
    assert process.returncode == 130
    assert "0 of 6 cells are done; the same command goes on from there" in says
    assert "Traceback" not in says
    assert "resource_tracker" not in says


def test_a_cell_that_is_killed_is_a_record_and_runs_again(finished: Path, tmp_path: Path) -> None:
    arguments = ("run", finished / "tiny.toml", "--results", tmp_path / "results", "--only", "full", "--seeds", "0")
    process = subprocess.Popen(
        command(*arguments), env=environment(tmp_path / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    child = wait_for(lambda: cells_of(process.pid), process)[0]
    os.kill(child, signal.SIGKILL)
    _, says = process.communicate(timeout=900)
    assert process.returncode == 1
    assert "SIGKILL" in says
    record = json.loads(_records(tmp_path / "results")[0].read_text())
    assert record["status"] == "failed"
    assert record["cause"]["type"] == "SIGKILL"
    assert "micro_batch" in record["cause"]["fix"]
    assert run(tmp_path / "cache", *arguments).returncode == 0
    assert json.loads(_records(tmp_path / "results")[0].read_text())["status"] == "done"


PLUGIN = '''
from typing import Literal
from rlvr_bench.methods.full.full import Full

class Gentle(Full):
    """Full fine-tuning under another name."""
    type: Literal["gentle"] = "gentle"
'''


def test_a_method_of_an_outside_package_needs_an_entry_point_only(base: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    info = site / "gentle-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "gentle_method.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gentle\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rlvr_bench.methods]\ngentle = gentle_method:Gentle\n")
    experiment = write_experiment(tmp_path, base)
    experiment.write_text(experiment.read_text().replace("[methods.full]", "[methods.gentle]"))
    arguments = ("run", experiment, "--results", tmp_path / "results", "--only", "gentle", "--seeds", "0")
    done = run(tmp_path / "cache", *arguments, extra_path=site)
    assert done.returncode == 0, done.stderr
    record = json.loads(_records(tmp_path / "results")[0].read_text())
    assert record["attestation"]["requested"]["type"] == "gentle"


MEASUREMENT = """
from rlvr_bench.experiment.measurements import MeasurementSettings

class Drift(MeasurementSettings):
    implementation = "drift.of_cell:DriftOfCell"
    order: int = 2
"""

OF_CELL = """
from rlvr_bench.measure.measurement import Measurement

class DriftOfCell(Measurement):
    def before(self, context):
        self.problems = len(context.task.problems("test"))

    def after(self, context, trained):
        updates = [after - before for _, before, after in context.pairs(trained.handle)]
        largest = max(float(update.norm(self.settings.order)) for update in updates)
        return {"largest": largest, "undefined": float("nan"), "problems": self.problems}
"""


def test_a_measurement_of_an_outside_package_needs_an_entry_point_only(base: Path, tmp_path: Path) -> None:
    package = tmp_path / "site" / "drift"
    info = tmp_path / "site" / "drift-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(MEASUREMENT)
    (package / "of_cell.py").write_text(OF_CELL)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: drift\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rlvr_bench.measurements]\ndrift = drift:Drift\n")
    experiment = write_experiment(tmp_path, base)
    table = "[measurements]\ngeometry = false\nmask_sample = false\ndrift = { order = 1 }\n\n[methods.full]"
    experiment.write_text(experiment.read_text().replace("[methods.full]", table))
    arguments = ("run", experiment, "--results", tmp_path / "results", "--only", "full", "--seeds", "0")
    done = run(tmp_path / "cache", *arguments, extra_path=package.parent)
    assert done.returncode == 0, done.stderr
    record = json.loads(_records(tmp_path / "results")[0].read_text())
    assert set(record["measurements"]) == {"trajectory", "behaviour", "drift"}
    drift = record["measurements"]["drift"]
    assert drift["largest"] > 0 and drift["undefined"] is None and drift["problems"] == 8
    assert record["cell"]["measurements"]["drift"] == {"order": 1} and "drift" in record["cost"]["seconds"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "quik"], 'unknown preset "quik"'),
        (["plan", "quick", "--seeds", "0,0"], "seed 0 is there twice"),
        (["plan", "quick", "--only", "nothing*"], "matches no method"),
        (["methods", "show", "lorra"], "did you mean 'lora'"),
        (["tasks", "show", "chian"], "did you mean 'chain'"),
        (["models", "show", "organism-step"], "did you mean"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path, arguments: list[str], says: str) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def _broken(folder: Path, base: Path, before: str, after: str) -> Path:
    path = write_experiment(folder, base)
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    return path


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ('{ name = "random", p = 0.5 }', '{ name = "randon" }', "did you mean 'random'"),
        (
            '{ name = "random", p = 0.5 }',
            '"exact", "exact"',
            "a reward or an intervention twice",
        ),
        ("learning_rate = 1e-3", "learning_rate = -1", "methods.full: learning_rate = -1"),
        ("learning_rate = 1e-3", "learning_rate = []", "methods.full: learning_rate = []"),
        ("learning_rate = 1e-3", 'learning_rate = "high"', "methods.full: learning_rate = 'high'"),
        ("rank = 2", "rnak = 2", "did you mean 'rank'"),
        ("train = 16", "train = 1", "has 1 train problems, a batch of rlvr asks 2"),
        ('name = "chain"', 'name = "chian"', "did you mean 'chain'"),
        ("samples = 2", 'samples = 2\nprompt = "tsak"', "did you mean 'task'"),
        ("steps = 3", 'steps = 3\nrollout_backend = "fsat"', "rollout_backend"),
    ],
)
def test_a_grid_that_cannot_run_is_refused_before_it_runs(
    base: Path, tmp_path: Path, before: str, after: str, says: str
) -> None:
    done = run(tmp_path, "plan", _broken(tmp_path, base, before, after), "--results", tmp_path / "results")
    assert done.returncode == 2, done.stdout + done.stderr
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_method_that_cannot_be_merged_runs_on_the_reference_path(base: Path, tmp_path: Path) -> None:
    experiment = _broken(
        tmp_path, base, 'peft_type = "C3A"\nblock_size = 8', 'peft_type = "PROMPT_TUNING"\nnum_virtual_tokens = 2'
    )
    arguments = ("run", experiment, "--results", tmp_path / "results", "--only", "c3a", "--seeds", "0")
    done = run(tmp_path / "cache", *arguments)
    assert done.returncode == 0, done.stderr
    record = json.loads(_records(tmp_path / "results")[0].read_text())
    assert record["rollout"]["backend"] == "hf"
    assert set(record["measurements"]) == {"trajectory", "behaviour"}


def test_a_run_in_bf16_is_attested_in_float32(base: Path, tmp_path: Path) -> None:
    experiment = _broken(tmp_path, base, "max_new_tokens = 8\n", 'max_new_tokens = 8\nprecision = "bf16"\n')
    arguments = ("run", experiment, "--results", tmp_path / "results", "--seeds", "0")
    done = run(tmp_path / "cache", *arguments)
    assert done.returncode == 0, done.stderr
    for record in (json.loads(path.read_text()) for path in _records(tmp_path / "results")):
        assert record["status"] == "done", record["cause"]
        # Rollout and trainer both round, each in its own order; in float32 they agree to a millionth.
        assert 1e-5 < record["rollout"]["mismatch_max"] < 1.0


@pytest.mark.parametrize("verb", [("plan",), ("run", "--dry-run")])
def test_a_plan_asks_no_hub(tmp_path: Path, verb: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        own = environment(tmp_path) | {"HTTPS_PROXY": address, "HTTP_PROXY": address, "HF_HOME": str(tmp_path)}
        own = {name: value for name, value in own.items() if not name.endswith("_OFFLINE")}
        arguments = (*verb, "published-spurious-rewards", "--results", tmp_path / "results")
        done = subprocess.run(command(*arguments), env=own, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        assert "GPU hours" in done.stdout
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_a_results_folder_in_use_is_refused(finished: Path) -> None:
    from rlvr_bench.record.lock import results_lock

    with results_lock(finished / "results"):
        done = run(finished / "cache", "run", finished / "tiny.toml", "--results", finished / "results")
    assert done.returncode == 2
    assert f"is in use by process {os.getpid()}" in done.stderr


def test_a_corrupted_record_costs_only_itself(finished: Path, tmp_path: Path) -> None:
    broken = _records(finished / "results")[0]
    content = broken.read_bytes()
    broken.write_bytes(content[:100])
    try:
        done = run(finished / "cache", "run", finished / "tiny.toml", "--results", finished / "results")
        assert done.returncode == 0
        assert str(broken) in done.stderr
        assert "1 cells to run, 5 already" in done.stderr
    finally:
        assert json.loads(broken.read_text())["status"] == "done"
