"""What attestation measures on models and optimizers; the record and its verdict are in `attestation`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import torch
from torch import Tensor
from transformers import PreTrainedModel

from rlvr_bench.methods.base.digest import digests
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method, ends_with
from rlvr_bench.methods.base.plain import last_logits

PROBE_SHAPE = (2, 16)
"""Sequences and tokens of the fixed input on which logits are compared."""

SVD_SAMPLE = 8
"""Of how many layers, evenly spread, a check that takes a decomposition looks at."""

TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest |logit difference| over max(1, largest |logit|) that rounding explains, by the base's dtype."""


@dataclass
class BaseObservation:
    """The base model as it was before a method was attached.

    `weights` holds copies of the targeted matrices only for methods that move base weights at the start; `release`
    drops them.
    """

    shapes: dict[str, tuple[int, ...]]
    dtype: torch.dtype
    token_ids: Tensor
    logits: Tensor
    digests: dict[str, str]
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def tolerance(self) -> float:
        """Relative logit error that rounding in the base's dtype explains."""
        return TOLERANCES[self.dtype]

    def release(self) -> None:
        """Forget the copied weights."""
        self.weights.clear()


def observe(model: PreTrainedModel, method: Method) -> BaseObservation:
    """Look at `model` before `method.attach`: shapes, hashes, and logits on fixed token ids."""
    token_ids = probe_token_ids(model)
    named = dict(model.named_parameters())
    targeted = {}
    if method.changes_base:  # the start checks compare what left the base with what was there
        names = [name for name in named if ends_with(name.removesuffix(".weight"), method.targets)]
        targeted = {name: named[name].detach().clone() for name in names}
    return BaseObservation(
        shapes={name: tuple(parameter.shape) for name, parameter in named.items()},
        dtype=model.dtype,
        token_ids=token_ids,
        logits=last_logits(model, token_ids),
        digests=digests(named.items()),
        weights=targeted,
    )


def probe_token_ids(model: PreTrainedModel) -> Tensor:
    """Return token ids (2, 16) that depend on nothing but the vocabulary size."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(model.get_input_embeddings().weight.shape[0], PROBE_SHAPE, generator=generator).to(
        model.device
    )


def relative_error(logits: Tensor, reference: Tensor) -> tuple[float, float]:
    """Return the largest |difference|, and the same over max(1, largest |reference|)."""
    error = (logits - reference).abs().max().item()
    return error, error / max(1.0, reference.abs().max().item())


def merge_error(handle: Handle, token_ids: Tensor) -> tuple[float, float]:
    """Return `relative_error` of the rollout weights' logits against the trained model's."""
    trained = last_logits(handle.model, token_ids)
    with handle.rollout_weights() as plain:
        return relative_error(last_logits(plain, token_ids), trained)


def frozen_digests(handle: Handle) -> dict[str, str]:
    """Return name -> digest of everything that must not move: base weights, and what the method added and froze."""
    return digests(chain(handle.frozen_tensors(), handle.frozen_additions()))


def optimizer_parameters(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    """Yield every tensor that the optimizer may change."""
    for group in optimizer.param_groups:
        yield from group["params"]


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[list[str], int]:
    """Return the dtypes of the optimizer's state tensors, step counters apart, and how many values they hold."""
    tensors = [
        value
        for state in optimizer.state.values()
        for value in state.values()
        if torch.is_tensor(value) and value.dim()
    ]
    return sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors}), sum(t.numel() for t in tensors)
