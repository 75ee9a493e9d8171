"""A cell that trains in two processes: it does what one process does, and fails as one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from accelerate.utils import FullyShardedDataParallelPlugin
from launch_fixture import cells_of, children_of, command, environment, run, save_tiny_base, wait_for, write_experiment

from rlvr_bench.experiment.settings import RlvrSettings
from rlvr_bench.experiment.signals import SftSettings
from rlvr_bench.launch import forking, sharding
from rlvr_bench.methods.masks.tuned_weights import TunedWeights

MASK = '[methods.mask-random]\ntype = "mask"\nselect = "random"\ndensity = 0.2\nlearning_rate = 1e-2\n'


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    path = write_experiment(folder, save_tiny_base(folder / "base"))
    text = path.read_text()
    path.write_text(text[: text.index("[methods.c3a]")] + MASK)
    return path


@pytest.fixture(scope="module")
def runs(experiment: Path) -> dict[int, Path]:
    """The folders of the same experiment, one seed, with one and with two processes for each cell."""
    folders = {count: experiment.parent / f"with-{count}" for count in (1, 2)}
    for count, folder in folders.items():
        done = run(
            folder / "cache", "run", experiment, "--results", folder / "results", "--seeds", "0",
            "--workers", "1", "--processes", str(count),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return folders


def _documents(folder: Path, method: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (path,) = (folder / "results" / "runs").glob(f"*/{method}/*/run.json")
    lines = (path.parent / "steps.jsonl").read_text().splitlines()
    return json.loads(path.read_text()), [json.loads(line) for line in lines]


@pytest.mark.parametrize("method", ["full", "lora", "mask-random"])
def test_two_processes_train_what_one_trains(runs: dict[int, Path], method: str) -> None:
    (alone, alone_steps), (shared, shared_steps) = (_documents(runs[count], method) for count in (1, 2))
    assert (alone["environment"]["processes"], shared["environment"]["processes"]) == (1, 2)
    assert shared["cell_id"] == alone["cell_id"]
    assert shared["ledger"] == alone["ledger"] and alone["ledger"]["generated_tokens"] > 0
    for one, two in zip(alone_steps, shared_steps, strict=True):
        for name in ("reward", "accuracy", "unparsed", "tokens", "labels", "flops", "completions/mean_length"):
            assert two[name] == pytest.approx(one[name], rel=1e-6), name
        for name in ("grad_norm", "update_norm", "weight_norm", "kl", "entropy"):
            assert two[name] == (one[name] and pytest.approx(one[name], rel=1e-3, abs=1e-6)), name
    assert sum(step["grad_norm"] > 0 for step in alone_steps) > 0, "nothing was learned, so nothing was compared"


@pytest.mark.parametrize("method", ["full", "lora", "mask-random"])
def test_two_processes_end_with_the_weights_of_one(runs: dict[int, Path], experiment: Path, method: str) -> None:
    tuned = []
    for folder in runs.values():
        identity = _documents(folder, method)[0]["cell_id"]
        tuned.append(TunedWeights(str(folder / "cache" / "cells" / identity / "model")))
    name = "model.layers.0.mlp.down_proj.weight"
    shape = torch.empty(16, 32)
    one, two = (weights.weight(name, shape) for weights in tuned)
    torch.testing.assert_close(two, one, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def sharded(experiment: Path) -> Path:
    """The folder of the same experiment, without its mask, with two processes that share one model."""
    folder = experiment.parent / "sharded"
    done = run(
        folder / "cache", "run", experiment, "--results", folder / "results", "--seeds", "0",
        "--workers", "1", "--processes", "2", "--shard", "--only", "[fl]*",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_sharded_model_trains_as_one_process_does(runs: dict[int, Path], sharded: Path, method: str) -> None:
    (alone, alone_steps), (shared, shared_steps) = (_documents(folder, method) for folder in (runs[1], sharded))
    assert (shared["status"], shared["environment"]["sharded"]) == ("done", True)
    assert alone["environment"]["sharded"] is False and shared["cell_id"] == alone["cell_id"]
    for one, two in zip(alone_steps, shared_steps, strict=True):
        for name in ("reward", "grad_norm", "update_norm", "weight_norm", "kl", "entropy"):
            assert two[name] == (one[name] and pytest.approx(one[name], rel=1e-3, abs=1e-6)), name
    attested = [document["attestation"] for document in (alone, shared)]
    assert attested[1]["optimizer_state_values"] == attested[0]["optimizer_state_values"]
    assert attested[1]["problems"] == []


@pytest.fixture
def training(experiment: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """A command whose one cell trains on and on, and the cell's two processes: the first, and the one it has forked."""
    longer = tmp_path / "longer.toml"
    longer.write_text(experiment.read_text().replace("steps = 3", "steps = 100000"))
    arguments = ("--results", tmp_path / "results", "--only", "full", "--seeds", "0", "--processes", "2")
    with subprocess.Popen(
        command("run", longer, *arguments), env=environment(tmp_path / "cache"), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            pairs = wait_for(
                lambda: [(cell, other) for cell in cells_of(process.pid) for other in children_of(cell)], process
            )
            yield process, *pairs[0]
        finally:
            process.kill()


def test_the_death_of_one_process_is_the_cells(
    training: tuple[subprocess.Popen[str], int, int], tmp_path: Path
) -> None:
    process, cell, other = training
    os.kill(other, signal.SIGKILL)
    _, says = process.communicate(timeout=900)
    assert process.returncode == 1 and "SIGKILL" in says
    (record,) = (tmp_path / "results" / "runs").glob("*/full/*/run.json")
    assert json.loads(record.read_text())["cause"]["type"] == "SIGKILL"
    assert not psutil.pid_exists(cell)


def test_the_others_end_with_the_first(training: tuple[subprocess.Popen[str], int, int]) -> None:
    process, cell, other = training
    os.kill(cell, signal.SIGKILL)
    process.communicate(timeout=900)
    assert process.returncode == 1
    psutil.wait_procs([psutil.Process(other)] if psutil.pid_exists(other) else [], timeout=900)
    assert not psutil.pid_exists(other)


FAILS = """
import os, sys
from pathlib import Path
from rlvr_bench.launch import forking

log = Path(sys.argv[1])
others = forking.fork(3, log)
if others is None:
    if os.environ["RANK"] == "2":
        forking.leave_cause(log, ValueError("no problems left"), ["a line"])
        os._exit(forking.FAILED_EXIT)
    os._exit(0)
print(os.environ["WORLD_SIZE"], others.failure().model_dump_json())
"""


def test_the_first_learns_why_another_failed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS, str(tmp_path / "cell.log")], env=environment(tmp_path), capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    size, cause = done.stdout.split(maxsplit=1)
    assert (size, json.loads(cause)["message"], json.loads(cause)["tail"]) == ("3", "no problems left", ["a line"])


def test_a_cell_of_one_process_waits_for_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forking.time, "sleep", lambda seconds: pytest.fail(f"waited {seconds} s"))
    others = forking.PeerProcesses({}, tmp_path / "cell.log")
    others.watch(lambda cause: pytest.fail(cause.message))
    assert others.failure() is None


def test_a_cell_of_one_process_is_no_part_of_another_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {*forking.VARIABLES, sharding.SWITCH}
    for name in variables:
        monkeypatch.setenv(name, "7")
    forking.fork(1, tmp_path / "cell.log")
    assert not variables & os.environ.keys()


def test_the_shipped_configuration_is_what_accelerate_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sharding.environment().items():
        monkeypatch.setenv(name, value)
    plugin = FullyShardedDataParallelPlugin()
    assert (plugin.fsdp_version, plugin.reshard_after_forward, plugin.cpu_ram_efficient_loading) == (2, True, False)
    assert plugin.auto_wrap_policy.__name__ == "transformer_auto_wrap_policy"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (RlvrSettings(prompts_per_batch=6), None),
        (RlvrSettings(prompts_per_batch=5), "prompts_per_batch = 5"),
        (RlvrSettings(prompts_per_batch=2, group_size=3, updates_per_batch=2), "updates_per_batch = 2"),
        (RlvrSettings(prompts_per_batch=2, group_size=4, micro_batch=8), "micro_batch = 8"),
        (RlvrSettings(whiten_advantages=True), "whiten_advantages"),
        (RlvrSettings(loss_type="bnpo"), "bnpo"),
        (RlvrSettings(train_problems=1), "train_problems = 1"),
        (RlvrSettings(train_problems=8), None),
        (RlvrSettings(rollout_backend="vllm"), "vLLM"),
        (SftSettings(), "one process"),
    ],
)
def test_what_cannot_be_shared_is_refused(settings: Any, says: str | None) -> None:
    assert settings.refusal(1) is None
    refused = settings.refusal(2)
    assert refused is None if says is None else says in refused


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--processes", "3"), "is no multiple of --processes 3"),
        (("--processes", "2", "--launcher", "ray"), "--launcher ray"),
        (("--shard",), "add --processes 2 or more"),
        (("--shard", "--processes", "2"), "mask-random acts on whole tensors"),
    ],
)
def test_a_refusal_is_one_sentence(experiment: Path, tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = run(tmp_path, "run", experiment, "--results", tmp_path / "results", *options)
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1), done.stderr
    assert says in done.stderr
