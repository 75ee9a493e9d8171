"""What a measurement is given: the cell before training, and its trained model."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate.backend import Backend
from rlvr_bench.generate.prompt_ids import all_prompt_ids
from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.measure.pair import Pair
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class CellContext:
    """What a cell works on: `loaded` holds the model that is trained, `reference` a frozen copy of the base.

    `backend` runs the base in float32; `interventions` are what is done to the cell on purpose.
    """

    cell: Cell
    task: Task
    loaded: LoadedBase
    reference: PreTrainedModel
    backend: Backend
    interventions: Sequence[Intervention[Any]]

    def encoded(self, problems: Sequence[Problem], task: Task | None = None) -> list[list[int]]:
        """Return the token ids of the problems' prompts, as the cell's task or another `task` asks them."""
        style, scored_task = self.cell.evaluate.prompt, task or self.task
        return all_prompt_ids(self.loaded.tokenizer, (scored_task.prompt(problem, style) for problem in problems))

    def pairs(self, handle: Handle) -> Iterator[Pair]:
        """Yield name, W0 and W+ of every weight that the forward pass uses."""
        before = dict(self.reference.named_parameters())
        for name, after in handle.effective_weights():
            start = before[name].detach() if name in before else torch.zeros_like(after)  # a bias that the method added
            yield name, start, after


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What training left: the method on its model, what it did step by step, and the completions that were scored.

    `backend` runs the trained model in float32. `samples` are rows of `record.samples` without the columns `cell_id`
    and `model`. `linearity_r2` says how straight the way of the trained values was, None where that is undefined.
    """

    handle: Handle
    backend: Backend
    steps: Sequence[StepRecord]
    samples: Sequence[dict[str, Any]]
    linearity_r2: float | None
