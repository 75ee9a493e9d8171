"""Putting a cell's method on its base model, with the attestation that watches it."""

from dataclasses import dataclass

import torch

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate.backend import Backend, create_for
from rlvr_bench.generate.sync_proof import check_sync, trained_kinds
from rlvr_bench.measure.context import CellContext
from rlvr_bench.methods import attestation
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.attestation import Attestation
from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.train.seeds import derive

CALIBRATION_PROMPTS = 256
"""Training prompts that a data-driven initialisation sees."""


@dataclass(frozen=True, slots=True)
class AttachedMethod:
    """The method on the model; `backend` samples from it in float32 to score, `rollouts` in its precision to train."""

    handle: Handle
    attested: Attestation
    backend: Backend
    rollouts: Backend


def attach(context: CellContext) -> AttachedMethod:
    """Attach the cell's method to its loaded base model."""
    cell, model = context.cell, context.loaded.model
    method = budget.resolve(method_registry.create(cell.method), model)
    # Seen before the method touches the model: an attestation compares with what was there.
    observed = attestation.observe(model, method)
    calibration = None
    if method.needs_calibration:
        calibration = context.encoded(context.task.problems("train"))[:CALIBRATION_PROMPTS]
    handle = method.attach(model, derive(cell.seed, "adapter"), calibration)
    attested = attestation.begin(method, handle, observed)
    with handle.rollout_weights() as merged:  # a method that cannot be merged may need another backend than the base
        backends = [create_for(cell.signal.rollout_backend, merged, dtype) for dtype in (torch.float32, _dtype(cell))]
        if backends[-1].name == "vllm":  # the others read the model itself
            moved = trained_kinds(merged, [name for name, _ in handle.trainable()])
            check_sync(backends[-1], merged, _dtype(cell), moved)
        return AttachedMethod(handle, attested, *backends)


def _dtype(cell: Cell) -> torch.dtype:
    return torch.bfloat16 if cell.signal.precision == "bf16" else torch.float32
