"""Checks of the start: what attaching gives, whether it is the base, and what decides it."""

import random
import re
from collections.abc import Iterator
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.conformance.case import SEED, batch
from rlvr_bench.methods.conformance.checks.check import Skipped, apart
from rlvr_bench.methods.conformance.trial import Trial, moves, state
from rlvr_bench.methods.errors import MethodError


def attestation(trial: Trial) -> Iterator[str]:
    """The record of the run lists no problem."""
    yield from trial.record.problems


def declarations(trial: Trial) -> Iterator[str]:
    """What the config says of itself is what attaching gives."""
    method, handle = trial.method, trial.handle
    if method.mergeable not in (None, handle.mergeable):
        yield f"mergeable is declared {method.mergeable} and found {handle.mergeable}"
    if method.changes_base != handle.changes_base:
        yield f"changes_base is declared {method.changes_base} and found {handle.changes_base}"
    if method.needs_calibration and _attaches_without_calibration(trial):
        yield "needs_calibration is declared, but it attaches without calibration"


def _attaches_without_calibration(trial: Trial) -> bool:
    try:
        trial.method.attach(trial.case.base(), SEED)
    except MethodError:
        return False
    return True


def identity(trial: Trial) -> Iterator[str]:
    """Untrained, it gives the base's logits."""
    if not trial.method.identity_at_start:
        raise Skipped("it declares that it does not start at the base")
    yield from apart(trial, trial.start, trial.base, "logits at the start", "the base's")


def seeds(trial: Trial) -> Iterator[str]:
    """The same seed gives the same start whatever the global random state, which stays; another gives another."""
    torch.rand(1), np.random.rand(), random.random()  # whatever the state was at the first start, it is another now
    before = _random_states()
    again = trial.case.attach()
    if _random_states() != before:
        yield "attaching moves the global random state (torch, numpy or random)"
    for problem in moves(trial.start_state, state(again.model)):
        yield f"with the same seed {problem.replace('moved', 'differs')} between two starts"
    unlike = trial.case.attach(seed=SEED + 1)
    other = dict(state(unlike.model))
    differing = {name for name, tensor in trial.start_state.items() if not torch.equal(tensor, other[name])}
    if trial.method.depends_on_seed is None:
        return
    if bool(differing) != trial.method.depends_on_seed:
        first = next(moves(trial.start_state, other.items()), "").replace("moved", "differs")
        start = f"another start: {first}" if differing else "the same start"
        yield f"depends_on_seed is {trial.method.depends_on_seed}, but another seed gives {start}"
    if trial.method.needs_calibration:  # what is computed from prompts may come out alike here and there
        return
    added = {name for name, _ in chain(unlike.trainable(), unlike.frozen_additions())}
    kinds = {_any_layer(name) for name in added & differing}
    for name in sorted(added - differing):
        if _any_layer(name) in kinds:
            yield f"{name} is the same under another seed, unlike its kind in other layers"


def _any_layer(name: str) -> str:
    """Return the tensor name without the numbers of layers, which tensors of one kind in all layers share."""
    return re.sub(r"\.\d+\.", ".*.", name)


def _random_states() -> tuple[object, ...]:
    return torch.get_rng_state().numpy().tobytes(), str(np.random.get_state()), random.getstate()


def kl_reference(trial: Trial) -> Iterator[str]:
    """A copy of the base taken before stays the base, and where the model's own base moves, the method says so."""
    error = (last_logits(trial.reference, batch()) - trial.base.logits).abs().max().item()
    if error != 0:
        first = next(moves(trial.original, trial.reference.named_parameters()), "none of its parameters moved")
        yield f"logits of a copy of the base changed by {error:.3g} while another copy was trained: {first}"
    moved = [problem for problem in moves(trial.original, _as_base(trial)) if problem]
    if moved and not trial.method.changes_base:
        yield f"a reference with the adapter disabled is not the base: at the start {moved[0]}"
    if not moved and trial.method.changes_base:
        yield "changes_base is declared, but at the start every base tensor is as it was"
    if trial.method.identity_at_start and not trial.method.changes_base:
        kl = _kl(trial.start.logits, trial.base.logits)
        if not kl <= trial.case.tolerance:
            yield f"the KL to the base at the start is {kl:.3g}"


def _as_base(trial: Trial) -> Iterator[tuple[str, Tensor]]:
    """Yield the base tensors at the start in the base's dtype; a method may store them wider."""
    for name, tensor in trial.start_base.items():
        yield name, tensor.to(trial.original[name].dtype)


def _kl(logits: Tensor, reference: Tensor) -> float:
    """Return the mean KL of `logits` (batch, length, vocabulary) to `reference`, in nats per token."""
    p, q = logits.double().log_softmax(-1), reference.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean().item()
