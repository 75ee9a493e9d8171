"""Evidence that a run trained the method it claims: a record, filled before, at the start and at the end of training.

    base = observe(model, method)            before attach
    handle = method.attach(model, seed)
    record = begin(method, handle, base)     after attach, before the first step
    ...training...
    finish(record, handle, optimizer)

A run whose record lists problems is invalid: kept and shown, never ranked. The reason for this guard: the released code
of a published comparison trained plain LoRA under every method's name.
"""

import hashlib
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, PrivateAttr

from rlvr_bench.methods.base.digest import combined_digest
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.base.observation import (
    BaseObservation,
    frozen_digests,
    merge_error,
    observe,
    optimizer_parameters,
    optimizer_state,
    relative_error,
)
from rlvr_bench.methods.base.params import target_count
from rlvr_bench.methods.base.plain import last_logits

__all__ = ["Attestation", "Budget", "TrainableTensor", "begin", "finish", "observe"]


class TrainableTensor(BaseModel):
    """One tensor that gradients reach."""

    model_config = ConfigDict(extra="forbid")

    name: str
    shape: tuple[int, ...]
    dtype: str


class Budget(BaseModel):
    """What `params` asked for and what it got: `dial` at `value` trains `trainable` values, `target` were wanted."""

    model_config = ConfigDict(extra="forbid")

    params: str | int
    target: int
    dial: str
    value: float
    trainable: int


class Attestation(BaseModel):
    """The record. Fields of the end are None until `finish`; errors are absolute differences of logits.

    `merge_error` compares the model as the trainer left it with its rollout weights: where the trainer wrapped the
    forward pass in autocast, that rounding is part of it, as it is part of every rollout. `rollout_mismatch` and
    `first_kl`, in nats a token, are what the trainer saw: mean difference of rollouts and trainer on sampled tokens,
    and KL to the base at step 1; None where the signal does not measure them.
    """

    model_config = ConfigDict(extra="forbid")

    requested: dict[str, Any]
    realised: dict[str, Any]
    seed: int
    trainable: list[TrainableTensor]
    trainable_hash: str
    trainable_parameters: int
    total_parameters: int
    trainable_share: float
    budget: Budget | None = None
    base_dtype: str
    base_hash: str
    changes_base: bool
    mergeable: bool
    identity_expected: bool
    identity_error: float
    frozen_hash_before: str
    frozen_hash_after: str | None = None
    merge_error: float | None = None
    optimizer: str | None = None
    optimizer_dtypes: list[str] = []
    optimizer_state_values: int | None = None
    rollout_mismatch: float | None = None
    first_kl: float | None = None
    finished: bool = False
    problems: list[str] = []

    _frozen: dict[str, str] = PrivateAttr(default_factory=dict)
    _base: Any = PrivateAttr(default=None)
    _method: Any = PrivateAttr(default=None)

    @property
    def valid(self) -> bool:
        """Whether training ended and nothing contradicts the claimed method."""
        return self.finished and not self.problems


def begin(method: Method, handle: Handle, base: BaseObservation) -> Attestation:
    """Record what was attached and compare it with what `method`, the requested config, stands for."""
    # What is trained, what is frozen and what the untrained model computes, as they are and not as the config says.
    tensors = _trainable_tensors(handle)
    frozen = frozen_digests(handle)
    error, relative = relative_error(last_logits(handle.model, base.token_ids), base.logits)
    record = Attestation(
        requested=method.model_dump(mode="json"),
        realised=handle.realised(),
        seed=handle.seed,
        trainable=tensors,
        trainable_hash=_list_hash(tensors),
        trainable_parameters=handle.trainable_parameters,
        total_parameters=handle.total_parameters,
        trainable_share=handle.trainable_parameters / handle.total_parameters,
        budget=_budget(method, handle),
        base_dtype=str(base.dtype).removeprefix("torch."),
        base_hash=combined_digest(base.digests),
        changes_base=handle.changes_base,
        mergeable=handle.mergeable,
        identity_expected=method.identity_at_start,
        identity_error=error,
        frozen_hash_before=combined_digest(frozen),
    )
    record._frozen, record._base, record._method = frozen, base, method

    # Each claim of the method against that: the start, the set of trained tensors, the base, its own definition.
    if method.identity_at_start and not relative <= base.tolerance:  # also when it is NaN
        record.problems.append(
            f"logits at the start differ from the base's by {error:.3g}, more than rounding explains"
        )
    record.problems += _set_problems(method, tensors, base) + _base_problems(method, handle, frozen, base)
    record.problems += method.problems_at_start(handle, base)
    base.release()
    return record


def finish(
    record: Attestation, handle: Handle, optimizer: torch.optim.Optimizer | None, base_drifts: bool = False
) -> Attestation:
    """Add what training left: frozen tensors that moved, the optimizer, the merged model against the trained one.

    With `base_drifts` the frozen base is meant to move (by an intervention): one that did not is a problem.
    """
    # The frozen tensors are hashed again: a method that moved one of them trained something else than it says.
    frozen = frozen_digests(handle)
    record.frozen_hash_after = combined_digest(frozen)
    moved = [name for name, digest in record._frozen.items() if frozen.get(name) != digest]
    if base_drifts and not moved:
        record.problems.append("merging in place left every base tensor as it was")
    if moved and not base_drifts:
        record.problems.append(f"{len(moved)} frozen tensors moved during training, the first is {moved[0]}")

    # What is trained, merged and optimized at the end has to be what was attested at the start.
    if _list_hash(_trainable_tensors(handle)) != record.trainable_hash:
        record.problems.append("the set of trainable tensors changed during training")
    _attest_merge(record, handle)
    if optimizer is not None:
        _attest_optimizer(record, handle, optimizer)
        if record.optimizer != record._method.optimizer:
            record.problems.append(f"trained by {record.optimizer}, the method asks for {record._method.optimizer}")
    record.problems += record._method.problems_at_end(handle, optimizer)
    record.finished = True
    return record


def _budget(method: Method, handle: Handle) -> Budget | None:
    if method.params is None or method.dial is None:
        return None
    return Budget(
        params=method.params,
        target=target_count(method.params, handle.total_parameters),
        dial=method.dial.name,
        value=getattr(method, method.dial.name),
        trainable=handle.trainable_parameters,
    )


def _attest_merge(record: Attestation, handle: Handle) -> None:
    """Rollouts and every score run on the merged weights, so they must be the trained model's."""
    if not handle.mergeable:
        return
    record.merge_error, relative = merge_error(handle, record._base.token_ids)
    if not relative <= record._base.tolerance:
        record.problems.append(
            f"logits of the rollout weights differ from the trained model's by {record.merge_error:.3g}, "
            "more than rounding explains"
        )


def _attest_optimizer(record: Attestation, handle: Handle, optimizer: torch.optim.Optimizer) -> None:
    record.optimizer = type(getattr(optimizer, "optimizer", optimizer)).__name__
    record.optimizer_dtypes, record.optimizer_state_values = optimizer_state(optimizer)

    # The optimizer has to hold the trainable tensors, all of them and no other, by identity: a copy would not train.
    optimized = {id(tensor) for tensor in optimizer_parameters(optimizer)}
    names = {id(parameter): name for name, parameter in handle.trainable()}
    left_out = [name for key, name in names.items() if key not in optimized]
    if left_out:
        record.problems.append(
            f"{len(left_out)} trainable tensors are not in the optimizer, the first is {left_out[0]}"
        )
    if len(optimized - names.keys()):
        record.problems.append(f"the optimizer holds {len(optimized - names.keys())} tensors that are not trainable")


def _trainable_tensors(handle: Handle) -> list[TrainableTensor]:
    return [
        TrainableTensor(name=name, shape=tuple(parameter.shape), dtype=str(parameter.dtype).removeprefix("torch."))
        for name, parameter in handle.trainable()
    ]


def _list_hash(tensors: list[TrainableTensor]) -> str:
    lines = sorted(f"{tensor.name} {tensor.shape} {tensor.dtype}" for tensor in tensors)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _set_problems(method: Method, tensors: list[TrainableTensor], base: BaseObservation) -> list[str]:
    problems = [
        f"{t.name} is trained in {t.dtype}; master weights are float32" for t in tensors if t.dtype != "float32"
    ]
    expected = method.expected_trainable(base.shapes)
    if expected is None:
        return problems
    got = {tensor.name: tensor.shape for tensor in tensors}
    problems += [f"{name} should be trainable and is not" for name in expected if name not in got]
    problems += [f"{name} is trainable and should not be" for name in got if name not in expected]
    for name, shape in expected.items():
        if shape is not None and name in got and got[name] != shape:
            problems.append(f"{name} has shape {got[name]}, the method asks for {shape}")
    return problems


def _base_problems(method: Method, handle: Handle, frozen: dict[str, str], base: BaseObservation) -> list[str]:
    attested = {name.removesuffix(" outside the mask") for name in frozen}
    trained = {name for name, tensor in handle.view.tensors(handle.live, handle.unwrapped) if tensor.requires_grad}
    lost = sorted(base.shapes.keys() - attested - trained)
    if lost:
        return [f"{len(lost)} base tensors are neither trainable nor attested as frozen, the first is {lost[0]}"]
    changed = [name for name, digest in frozen.items() if base.digests.get(name, digest) != digest]
    if changed and not handle.changes_base:
        return [f"attaching changed {len(changed)} base tensors without saying so, the first is {changed[0]}"]
    if changed and not method.changes_base:
        return [
            f"attaching changed {len(changed)} base tensors, which {method.type} must not; the first is {changed[0]}"
        ]
    if method.changes_base and not changed:
        return [f"{method.type} takes its start out of the base, but no base tensor changed"]
    return []
