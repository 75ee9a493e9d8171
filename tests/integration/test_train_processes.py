"""GRPO in two processes against one: the same completions, rewards and counts, and weights equal up to rounding."""

import copy
import math
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from launch_fixture import save_tiny_base
from torch import nn

from rlvr_bench.experiment.settings import RlvrSettings
from rlvr_bench.generate.backend import Completions, create
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.launch.forking import free_port
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards
from rlvr_bench.train import processes
from rlvr_bench.train.rlvr import train
from rlvr_bench.train.trainer import RolloutTrainer
from rlvr_bench.train.training_run import TrainingRun

TASK = {"name": "chain", "levels": [2], "train": 16, "validation": 4, "test": 4}
SMALL = {"steps": 3, "prompts_per_batch": 4, "group_size": 4, "max_new_tokens": 8, "kl_every": 1}
RUNS: dict[str, dict[str, Any]] = {
    "full": {"method": {"type": "full"}, "rate": 1e-4},
    "lora": {"method": {"type": "lora", "rank": 2}, "rate": 1e-3},
    "mask": {"method": {"type": "mask", "select": "random", "density": 0.1}, "rate": 1e-3},
    "padded-kl": {"method": {"type": "full"}, "rate": 1e-4, "update_backend": "padded", "kl_weight": 0.1},
    "grpo-split": {"method": {"type": "full"}, "rate": 1e-4, "loss_type": "grpo", "micro_batch": 4},
    "no-signal": {"method": {"type": "full"}, "rate": 1e-4, "reward": {"name": "random", "p": 0.05}},
    "budget": {"method": {"type": "full"}, "rate": 1e-4, "reward": "exact", "match": "labels", "budget": 20},
}
PRINTED = (
    "reward",
    "accuracy",
    "unparsed",
    "tokens",
    "completions/mean_length",
    "frac_reward_zero_std",
    "labels",
    "flops",
)

POISONED: dict[str, Any] = {"method": {"type": "full"}, "rate": 1e-4, "steps": 5}


class _Watched:
    """A backend that keeps what it sampled."""

    def __init__(self) -> None:
        self._fast = create("fast")
        self.name, self.refusal = self._fast.name, self._fast.refusal
        self.sampled: list[list[list[int]]] = []

    def generate(self, *args: Any, **how: Any) -> Completions:
        completions = self._fast.generate(*args, **how)
        self.sampled.append(completions.token_ids)
        return completions


def _train(base: Path, asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train a tiny model; returns its weights, step records, completions and meter."""
    settings = dict(asked)
    method, rate, reward = settings.pop("method"), settings.pop("rate"), settings.pop("reward", "random")
    loaded, task, backend = load(BaseConfig(name=str(base))), task_registry.create(TASK), _Watched()
    reference = copy.deepcopy(loaded.model).requires_grad_(False)
    problems = task.problems("train")
    run = TrainingRun(
        handle=method_registry.create(method).attach(loaded.model, seed=1),
        tokenizer=loaded.tokenizer,
        reference=reference,
        task=task,
        problems=problems,
        prompt_ids=[prompt_ids(loaded.tokenizer, task.prompt(problem)) for problem in problems],
        reward=rewards.create(reward),
        backend=backend,
        settings=RlvrSettings(**(SMALL | settings)),
        learning_rate=rate,
        seed=0,
        output_dir=str(folder),
    )
    steps, _ = train(run, lambda step: None)
    return {
        "weights": {name: tensor.clone() for name, tensor in run.handle.effective_weights()},
        "steps": [step.model_dump(mode="json") for step in steps],
        "sampled": backend.sampled,
        "ledger": run.meter.ledger(run.settings).model_dump(),
    }


def _rank(base: Path, folder: Path, rank: int, ports: list[int]) -> None:
    torch.set_num_threads(1)
    original = RolloutTrainer._compute_loss

    def poisoned(self: RolloutTrainer, model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        mine = self.state.global_step == 1 and self.accelerator.process_index == 1
        return original(self, model, inputs) * (math.nan if mine else 1.0)

    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    for (name, asked), port in zip((RUNS | {"poisoned": POISONED}).items(), ports, strict=True):
        os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        RolloutTrainer._compute_loss = poisoned if name == "poisoned" else original  # type: ignore[method-assign]
        assert (processes.rank(), processes.size()) == (rank, 2)
        torch.save(_train(base, asked, folder / str(rank)), folder / f"{name}-{rank}.pt")
        AcceleratorState._reset_state(reset_partial_state=True)  # a process trains once, but for this test


Results = dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def results(folder: Path) -> Results:
    """By name: what one process gives, and what each of two gives."""
    base = save_tiny_base(folder / "tiny")
    ports = [free_port() for _ in (*RUNS, "poisoned")]
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_rank, args=(base, folder, rank, ports), daemon=True) for rank in range(2)]
    for process in both:
        process.start()
    alone = {name: _train(base, asked, folder / "alone") for name, asked in RUNS.items()}
    for process in both:
        process.join(timeout=900)
        assert process.exitcode == 0
    return {name: (alone[name], _of_both(folder, name)) for name in RUNS}


def _of_both(folder: Path, name: str) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{name}-{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_sample_the_completions_of_one(results: Results, name: str) -> None:
    alone, both = results[name]
    batches = [one + other for one, other in zip(both[0]["sampled"], both[1]["sampled"], strict=True)]
    rollouts = [len(batch) == 16 for batch in alone["sampled"]]  # the others are the probe's
    assert sum(rollouts) == len(alone["steps"])
    for batch, expected, is_rollout in zip(batches, alone["sampled"], rollouts, strict=True):
        assert batch == expected if is_rollout else batch == expected + expected


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_end_at_the_weights_of_one(results: Results, name: str) -> None:
    alone, both = results[name]
    for key, expected in alone["weights"].items():
        assert torch.equal(both[0]["weights"][key], both[1]["weights"][key])
        torch.testing.assert_close(both[0]["weights"][key], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_record_and_count_what_one_does(results: Results, name: str) -> None:
    alone, both = results[name]
    for rank in both:
        assert rank["ledger"] == alone["ledger"]
        for step, expected in zip(rank["steps"], alone["steps"], strict=True):
            for key in PRINTED:
                assert step[key] == pytest.approx(expected[key], rel=1e-6), key
            for key in ("entropy", "kl", "grad_norm"):
                assert step[key] == pytest.approx(expected[key], rel=1e-3, abs=1e-6), key
    assert StepRecord.model_validate(both[0]["steps"][0]).step == 1


def test_a_budget_ends_both_processes_at_the_same_step(results: Results) -> None:
    alone, both = results["budget"]
    assert len(alone["steps"]) == len(both[0]["steps"]) == len(both[1]["steps"]) == 2


@pytest.mark.usefixtures("results")
def test_a_gradient_that_is_not_finite_in_one_process_stops_both(folder: Path) -> None:
    for rank in _of_both(folder, "poisoned"):
        assert len(rank["steps"]) == 2 and rank["steps"][-1]["non_finite"] == 1.0
        assert all(bool(torch.isfinite(tensor).all()) for tensor in rank["weights"].values())
