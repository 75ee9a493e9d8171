"""Loading what a cell works on: its task, its base model, a frozen copy of the base, and the backend that runs it."""

import copy

import torch

from rlvr_bench.cell.fit import refuse_unreadable
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.interventions import changed_fingerprint
from rlvr_bench.experiment.plugin_files import use_planned
from rlvr_bench.generate.backend import create_for
from rlvr_bench.measure import intervention
from rlvr_bench.measure.context import CellContext
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.targets import resolve_targets
from rlvr_bench.models import base as base_models
from rlvr_bench.tasks import registry as task_registry


def load(cell: Cell) -> CellContext:
    """Load what a cell works on.

    Raises:
        ValueError: the base model or the data are not those that the cell was planned with, or the model
            cannot read what it is asked (see `fit`).
        PluginError: a plug-in file is not here, or not as it was planned with.
        MethodError: the method does not fit the model; known here before the base is scored.
    """
    use_planned(cell.plugins, cell.plugin_paths)
    task = task_registry.create(cell.task, cell.data_dir)
    loaded = base_models.load(cell.base)
    loaded = loaded._replace(fingerprint=changed_fingerprint(loaded.fingerprint, cell.interventions))
    if (loaded.fingerprint, task.fingerprint()) != (cell.base_fingerprint, cell.task_fingerprint):
        raise ValueError("the base model or the data changed after the run was planned; run the same command again")
    interventions = intervention.create(cell.interventions)
    for each in interventions:
        loaded = loaded._replace(model=each.change_base(loaded.model))
    loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")
    reference = copy.deepcopy(loaded.model).eval().requires_grad_(False)
    backend = create_for(cell.signal.scoring_backend, loaded.model)
    context = CellContext(cell, task, loaded, reference, backend, interventions)
    refuse_unreadable(context)
    resolve_targets(method_registry.create(cell.method), loaded.model).refuse_misfit(loaded.model)
    return context
