"""What a cell works on: its task, its base model, a frozen copy of the base, and the backend that runs it."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate.backend import Backend, create_for
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.geometry.cell import Pair
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.models import base as base_models
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.models.interventions import Intervention, intervene, of_config
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Subject:
    """`loaded` holds the model that is trained, `reference` the base that stays; `backend` runs the base."""

    cell: Cell
    task: Task
    loaded: LoadedBase
    reference: PreTrainedModel
    backend: Backend
    interventions: list[Intervention]

    def encoded(self, problems: list[Problem]) -> list[list[int]]:
        """Return the token ids of the problems' prompts."""
        style = self.cell.evaluate.prompt
        return [prompt_ids(self.loaded.tokenizer, self.task.prompt(problem, style)) for problem in problems]

    def pairs(self, handle: Handle) -> Iterator[Pair]:
        """Yield name, W0 and W+ of every weight that the forward pass uses."""
        before = dict(self.reference.named_parameters())
        for name, after in handle.effective_weights():
            start = before[name].detach() if name in before else torch.zeros_like(after)  # a bias that the method added
            yield name, start, after


def load(cell: Cell) -> Subject:
    """Load what a cell works on.

    Raises:
        ValueError: the base model or the data are not those that the cell was planned with.
    """
    task = task_registry.create(cell.task, cell.data_dir)
    loaded = base_models.load(cell.base)
    if (loaded.fingerprint, task.fingerprint()) != (cell.base_fingerprint, cell.task_fingerprint):
        raise ValueError("the base model or the data changed after the run was planned; run the same command again")
    interventions = of_config(loaded.model, cell.base)
    if interventions:
        loaded = loaded._replace(model=intervene(loaded.model, interventions))
    loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")
    reference = copy.deepcopy(loaded.model).eval().requires_grad_(False)
    backend = create_for(cell.signal.rollout_backend, loaded.model)
    return Subject(cell, task, loaded, reference, backend, interventions)
