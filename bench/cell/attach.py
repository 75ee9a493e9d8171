"""Putting a cell's method on its base model, with the attestation that watches it."""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate.adapters import adapter_of
from rlvr_bench.generate.backend import Backend, check_model, create_for
from rlvr_bench.generate.sync_proof import check_sync, trained_kinds
from rlvr_bench.generate.vllm import VllmBackend
from rlvr_bench.generate.vllm_remote import VllmServerBackend
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
        backend, rollouts = create_for(cell.signal.scoring_backend, merged), _rollouts(cell, handle, merged)
        if rollouts.name == "vllm" and not cell.signal.vllm_adapters:  # the others read the model itself
            moved = trained_kinds(merged, [name for name, _ in handle.trainable()])
            check_sync(rollouts, merged, _dtype(cell), moved)
        return AttachedMethod(handle, attested, backend, rollouts)


def _rollouts(cell: Cell, handle: Handle, merged: PreTrainedModel) -> Backend:
    """Return the backend that samples in training, in the type that the cell trains in."""
    signal, dtype, adapter = cell.signal, _dtype(cell), None
    if signal.vllm_adapters:
        adapter = adapter_of(cell.method_name, handle.save_adapter, handle.changes_base)
    if signal.vllm_mode == "colocate" and adapter is None:
        return create_for(signal.rollout_backend, merged, dtype)
    backend: Backend = VllmBackend(dtype, adapter=adapter)
    if signal.vllm_mode == "server":
        backend = VllmServerBackend(signal.vllm_server_base_url, dtype, adapter)
    check_model(backend, merged)
    return backend


def _dtype(cell: Cell) -> torch.dtype:
    return torch.bfloat16 if cell.signal.precision == "bf16" else torch.float32
