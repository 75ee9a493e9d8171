"""Runs of every signal on a tiny random model, for the tests of what they learn and of what they use."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.signals import Signal
from rlvr_bench.generate.backend import create
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.train.training_run import TrainingRun

TASK = task_registry.create({"name": "chain", "levels": [2], "train": 32, "validation": 4, "test": 4})
PROBLEMS = TASK.problems("train")


class Lenient:
    """The task with a verifier that a random model meets: right are completions with an even number of characters."""

    def __getattr__(self, name: str) -> Any:
        return getattr(TASK, name)

    def verify(self, completion: str, problem: Problem, truncated: bool = False) -> Verdict:
        right = len(completion) % 2 == 0
        return Verdict(right, completion, "correct" if right else "wrong")


METHODS = {
    "full": {"type": "full"},
    "lora": {"type": "lora", "rank": 2},
    "mask": {"type": "mask", "select": "random", "density": 0.1},
}
SMALL = {"steps": 4, "max_new_tokens": 8}
GRPO = SMALL | {"prompts_per_batch": 2, "group_size": 4}
TINY: dict[str, dict[str, Any]] = {
    "rlvr": GRPO,
    "sft": SMALL | {"batch_size": 8, "shadow_size": 8, "shadow_every": 2},
    "rft": SMALL | {"batch_size": 8, "shadow_size": 8, "shadow_every": 2, "iterations": 2, "prompts_per_iteration": 16},
    "dpo": SMALL | {"batch_size": 8, "shadow_size": 8, "shadow_every": 2, "sampled_problems": 16},
    "rlhf": GRPO | {"preference_pairs": 8, "reward_model_steps": 2, "reward_model_batch": 4},
    "es": SMALL | {"population": 4, "prompts_per_batch": 8, "shadow_size": 8, "sigma": 0.05, "decoding": "sampled"},
    "sft+rlvr": GRPO | {"sft_share": 0.5},
}
Start = Callable[..., TrainingRun[Any]]


def settings_of(kind: str, **keys: Any) -> Signal:
    document = {"name": "x", "bases": ["organism-steps"], "task": {"name": "chain"}, "methods": {"full": {}}}
    return Experiment.model_validate(document | {"signal": {"type": kind} | TINY[kind] | keys}).signals[0]


def starter(base: LoadedBase, folder: Path) -> Start:
    """What makes runs on copies of `base`."""

    def run(kind: str, method: str = "full", rate: float = 1e-3, **keys: Any) -> TrainingRun[Any]:
        handle = method_registry.create(METHODS[method]).attach(copy.deepcopy(base.model), seed=1)
        return TrainingRun(
            handle=handle,
            tokenizer=base.tokenizer,
            reference=copy.deepcopy(base.model).requires_grad_(False),
            task=Lenient(),
            problems=PROBLEMS,
            prompt_ids=[prompt_ids(base.tokenizer, TASK.prompt(problem)) for problem in PROBLEMS],
            reward=rewards.create("exact"),
            backend=create("fast"),
            settings=settings_of(kind, **keys),
            learning_rate=rate,
            seed=0,
            output_dir=str(folder),
        )

    return run
