"""Short training runs by a method's own optimizer and hooks, as the harness does them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tiny_models import batch, llama
from transformers import PreTrainedModel

from rlvr_bench.methods.attestation import Attestation, begin, finish, observe
from rlvr_bench.methods.base.method import Method


def run(handle: Any, steps: int = 3, learning_rate: float = 1e-2, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Train `handle` on changing batches; the gradients of the last step are left."""
    optimizer = handle.create_optimizer(learning_rate, weight_decay, (0.9, 0.95))
    handle.before_training(steps)
    handle.model.train()
    for step in range(steps):
        optimizer.zero_grad()
        ids = batch(step)
        handle.model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        handle.after_step(step)
    return optimizer


def attested(
    claimed: Method, actual: Method | None = None, make: Callable[[], PreTrainedModel] = llama, **run_with: Any
):
    """Attach `actual` (else what is claimed), train it, and attest it as `claimed`; give handle and finished record."""
    base = make()
    observation = observe(base, claimed)
    handle = (actual or claimed).attach(base, seed=0, calibration=prompts())
    record = begin(claimed, handle, observation)
    return handle, finish(record, handle, run(handle, **run_with))


def problems(record: Attestation) -> str:
    return "; ".join(record.problems)


def prompts(count: int = 6) -> list[list[int]]:
    """Token ids of prompts of three to eight tokens."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(3, 9, (count,), generator=generator).tolist()
    return [torch.randint(3, 64, (length,), generator=generator).tolist() for length in lengths]


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy().copy()


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}
