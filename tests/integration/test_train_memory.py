"""The perplexity of trained problems' gold solutions, against their mean loss one by one."""

from math import exp
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from rlvr_bench.measure.context import CellContext
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.studies.signals.train_memory import solution_perplexity
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.solutions import gold


def test_solutions_with_their_steps_are_read_and_nothing_where_there_are_none() -> None:
    task = task_registry.create({"name": "chain", "levels": [4], "test": 8})
    base, problems = load(BaseConfig(name="organism-steps")), task.problems("test")[:3]

    def ids(text: str) -> list[int]:
        found: list[int] = base.tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    context = SimpleNamespace(
        task=task,
        loaded=base,
        encoded=lambda wanted: [ids(task.prompt(problem)) for problem in wanted],
        cell=SimpleNamespace(evaluate=SimpleNamespace(batch_size=2)),
    )
    losses = []
    for problem in problems:
        before, after = ids(task.prompt(problem)), ids(gold(task, problem))
        with torch.no_grad():
            logits = base.model(torch.tensor([before + after])).logits[0].double().numpy()
        for place, token in enumerate(after, start=len(before) - 1):
            losses.append(np.log(np.exp(logits[place]).sum()) - logits[place][token])
    found = solution_perplexity(cast(CellContext, context), base.model, problems)
    assert found == pytest.approx(exp(np.mean(losses)), rel=1e-4)
    without = Problem("How many?", "3", "elsewhere")
    assert solution_perplexity(cast(CellContext, context), base.model, [without]) is None
