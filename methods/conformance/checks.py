"""The checks: each takes a trial and yields one sentence per problem, with the tensor and the number."""

import math
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from methods import budget
from methods.conformance.subject import SEED, batch
from methods.conformance.trial import (
    BETAS,
    STEPS,
    WEIGHT_DECAY,
    Trial,
    frozen,
    moves,
    optimizer_of,
    snapshot,
    state,
)
from methods.errors import MethodError
from methods.handle import NO_WEIGHT_DECAY
from methods.method import Method
from methods.plain import fill, last_logits

Check = Callable[[Trial], Iterator[str]]

CHECKS: dict[str, Check] = {}
"""Name -> check, in the order in which they run."""

ATTACHING: set[str] = set()
"""Names of the checks that attach the method anew, which takes time: two models stand for all."""


class Skipped(Exception):
    """A check has nothing to look at; the message says why."""


def _named(name: str, attaches: bool = False) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS[name] = check
        if attaches:
            ATTACHING.add(name)
        return check

    return register


@_named("attestation")
def attestation(trial: Trial) -> Iterator[str]:
    """The record of the run lists no problem."""
    yield from trial.record.problems


@_named("declarations hold", attaches=True)
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
        trial.method.attach(trial.subject.base(), SEED)
    except MethodError:
        return False
    return True


@_named("identity at start")
def identity(trial: Trial) -> Iterator[str]:
    """Untrained, it gives the base's logits."""
    if not trial.method.identity_at_start:
        raise Skipped("it declares that it does not start at the base")
    yield from _apart(trial, trial.start_logits, trial.base_logits, "logits at the start", "the base's")


@_named("gradients only where declared")
def gradients(trial: Trial) -> Iterator[str]:
    """Backpropagation reaches the declared tensors, all of them and no other."""
    declared = {name for name, _ in trial.handle.trainable()}
    for name, largest in trial.gradients.items():
        if name not in declared:
            yield f"{name} gets a gradient (up to {largest:.3g}) and is not declared trainable"
    for name in sorted(declared):
        if not trial.gradients.get(name):
            yield f"{name} is declared trainable and got no gradient in {STEPS} steps"


@_named("frozen base unchanged")
def frozen_base(trial: Trial) -> Iterator[str]:
    """Training steps and rollouts leave every frozen tensor as it was, bit for bit."""
    yield from moves(trial.start_frozen, frozen(trial.handle))


@_named("rollouts change nothing")
def rollouts(trial: Trial) -> Iterator[str]:
    """A rollout context, even one that ends in an exception, leaves every bit of the model."""
    yield from trial.touched


@_named("rollout weights equal the forward pass")
def rollout_weights(trial: Trial) -> Iterator[str]:
    """Rollouts sample from the model that is trained, in eval mode."""
    trained = last_logits(trial.handle.model, batch())
    trial.handle.model.train()
    with trial.handle.rollout_weights() as plain:
        if plain.training:
            yield "the model that rollouts get is in training mode"
        sampled = last_logits(plain, batch())
    yield from _apart(trial, sampled, trained, "logits of the rollout weights", "the trained model's")


@_named("effective weights give the logits")
def effective_weights(trial: Trial) -> Iterator[str]:
    """The dense weights that it tells, put into a plain model, give the trained model's logits."""
    if not trial.handle.mergeable:
        raise Skipped("it cannot be merged")
    plain = trial.subject.base().float()
    weights = dict(trial.handle.effective_weights())
    for name in sorted({name for name, _ in plain.named_parameters()} - weights.keys()):
        yield f"{name} is missing from the effective weights"
    for name in fill(plain, weights):
        yield f"{name} is no base tensor, but among the effective weights"
    for name, tensor in weights.items():
        if tensor.dtype != torch.float32:
            yield f"{name} is told in {tensor.dtype}, not in float32"
    trained = last_logits(trial.handle.model, batch())
    yield from _apart(
        trial, last_logits(plain, batch()), trained, "logits of the effective weights", "the trained model's"
    )


@_named("save and load", attaches=True)
def save_and_load(trial: Trial) -> Iterator[str]:
    """What `export` writes, `load` reads into a fresh handle with the same logits, bit for bit."""
    again = trial.subject.attach()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        trial.handle.export(Path(folder))
        again.load(Path(folder))
    error = (last_logits(again.model, batch()) - last_logits(trial.handle.model, batch())).abs().max().item()
    if error != 0:
        yield f"logits after loading differ from those before saving by {error:.3g}"


@_named("the seed decides the start", attaches=True)
def seeds(trial: Trial) -> Iterator[str]:
    """The same seed gives the same start whatever the global random state, which stays; another gives another."""
    torch.rand(1), np.random.rand(), random.random()  # whatever the state was at the first start, it is another now
    before = _random_states()
    again = trial.subject.attach()
    if _random_states() != before:
        yield "attaching moves the global random state (torch, numpy or random)"
    for problem in moves(trial.start_state, state(again.model)):
        yield f"with the same seed {problem.replace('moved', 'differs')} between two starts"
    unlike = trial.subject.attach(seed=SEED + 1)
    other = dict(state(unlike.model))
    differing = {name for name, tensor in trial.start_state.items() if not torch.equal(tensor, other[name])}
    if bool(differing) != trial.method.depends_on_seed:
        start = "another" if differing else "the same"
        yield f"depends_on_seed is {trial.method.depends_on_seed}, but another seed gives {start} start"
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


@_named("parameter count")
def parameter_count(trial: Trial) -> Iterator[str]:
    """Claimed, expected from shapes, held by the optimizer: all the same number."""
    handle = trial.handle
    real = sum(parameter.numel() for parameter in handle.model.parameters() if parameter.requires_grad)
    if handle.trainable_parameters != real:
        yield f"it claims {handle.trainable_parameters} trainable values, the model has {real}"
    told = budget.count_from_shapes(
        trial.method, {name: tuple(tensor.shape) for name, tensor in trial.original.items()}
    )
    if told is not None and told != real:
        yield f"expected_trainable tells {told} values from the shapes, the model trains {real}"
    held = sum(tensor.numel() for group in optimizer_of(handle, 0.0).param_groups for tensor in group["params"])
    if held != real:
        yield f"the optimizer holds {held} values, the model trains {real}"
    total = sum(tensor.numel() for tensor in trial.original.values())
    if handle.total_parameters != total:
        yield f"it counts {handle.total_parameters} parameters of the base, which has {total}"


@_named("budget", attaches=True)
def meets_budget(trial: Trial) -> Iterator[str]:
    """`params` gets within 5 % of a count that the dial can reach, or as near as any setting of the dial."""
    dial = trial.method.dial
    if dial is None:
        raise Skipped("it has no dial")
    free = {key: value for key, value in trial.method.model_dump(exclude_unset=True).items() if key != dial.name}
    usual = trial.handle.trainable_parameters
    for target in (usual * 3 // 5, usual * 9 // 5):
        try:
            asked = type(trial.method).model_validate(free | {"type": trial.method.type, "params": target})
            chosen = budget.resolve(asked, trial.subject.base())
        except MethodError as refused:
            problem = str(refused)
            continue
        got = trial.subject.attach(method=chosen).trainable_parameters
        told = budget.trainable_count(chosen, trial.subject.base())
        if got != told:
            yield f"{dial.name} = {getattr(chosen, dial.name)} was chosen for {told} trainable values and gives {got}"
        if abs(got - target) > budget.NEAR * target and (better := _nearer(trial, chosen, got, target)):
            yield f"params = {target} got {got} at {dial.name} = {getattr(chosen, dial.name)}, {better}"
        return
    yield problem


@_named("optimizer as asked", attaches=True)
def optimizer_as_asked(trial: Trial) -> Iterator[str]:
    """Rates, weight decay and betas are those that the harness asks for; norms and biases are not decayed."""
    handle, rates = trial.spare, []
    names = {id(parameter): name for name, parameter in handle.trainable()}
    for rate in (1e-3, 2e-3):
        groups = handle.create_optimizer(rate, WEIGHT_DECAY, BETAS).param_groups
        rates.append([group["lr"] for group in groups])
        if not math.isclose(min(rates[-1]), rate):
            yield f"a learning rate of {rate} was asked for, the smallest in the optimizer is {min(rates[-1])}"
    if not np.allclose(2 * np.array(rates[0]), rates[1]):
        yield f"learning rates {rates[0]} do not double to {rates[1]} when the rate that is asked for does"
    for group in groups:
        if tuple(group.get("betas", BETAS)) != BETAS:
            yield f"betas {BETAS} were asked for, the optimizer has {tuple(group['betas'])}"
        if group["weight_decay"] not in (0, WEIGHT_DECAY):
            yield f"a weight decay of {WEIGHT_DECAY} was asked for, the optimizer has {group['weight_decay']}"
        for tensor in group["params"] if group["weight_decay"] else []:
            if NO_WEIGHT_DECAY.search(names.get(id(tensor), "")):
                yield f"{names[id(tensor)]} is a norm or a bias, and decayed by {group['weight_decay']}"


def _nearer(trial: Trial, chosen: Method, got: int, target: int) -> str | None:
    """Say which neighbouring setting of the dial is nearer to the target, if one is."""
    dial = chosen.dial
    assert dial is not None
    value = getattr(chosen, dial.name)
    for other in (value - 1, value + 1) if dial.whole else (value / 1.02, value * 1.02):
        try:
            moved = trial.subject.attach(method=budget.turned(chosen, dial, other)).trainable_parameters
        except MethodError:
            continue
        if abs(moved - target) < abs(got - target):
            return f"where {dial.name} = {other} gets {moved}"
    return None


@_named("KL reference is the base")
def kl_reference(trial: Trial) -> Iterator[str]:
    """A copy of the base taken before stays the base, and where the model's own base moves, the method says so."""
    error = (last_logits(trial.reference, batch()) - trial.base_logits).abs().max().item()
    if error != 0:
        yield f"logits of a copy of the base changed by {error:.3g} while another copy was trained"
    moved = [problem for problem in moves(trial.original, _as_base(trial)) if problem]
    if moved and not trial.method.changes_base:
        yield f"a reference with the adapter disabled is not the base: at the start {moved[0]}"
    if not moved and trial.method.changes_base:
        yield "changes_base is declared, but at the start every base tensor is as it was"
    if trial.method.identity_at_start and not trial.method.changes_base:
        kl = _kl(trial.start_logits, trial.base_logits)
        if not kl <= trial.subject.tolerance:
            yield f"the KL to the base at the start is {kl:.3g}"


def _as_base(trial: Trial) -> Iterator[tuple[str, Tensor]]:
    """Yield the base tensors at the start in the base's dtype; a method may store them wider."""
    for name, tensor in trial.start_base.items():
        yield name, tensor.to(trial.original[name].dtype)


def _kl(logits: Tensor, reference: Tensor) -> float:
    """Return the mean KL of `logits` (batch, length, vocabulary) to `reference`, in nats per token."""
    p, q = logits.double().log_softmax(-1), reference.double().log_softmax(-1)
    return (p.exp() * (p - q)).sum(-1).mean().item()


@_named("zero gradient changes nothing", attaches=True)
def zero_gradient(trial: Trial) -> Iterator[str]:
    """An optimizer step without decay on zero gradients leaves every bit."""
    handle = trial.spare
    optimizer = optimizer_of(handle, 0.0)
    before = snapshot(state(handle.model))
    for _, parameter in handle.trainable():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    yield from moves(before, state(handle.model))


@_named("weight decay spares the frozen", attaches=True)
def weight_decay(trial: Trial) -> Iterator[str]:
    """An optimizer step with strong decay, all gradients zero, moves no frozen tensor."""
    handle = trial.spare
    optimizer = optimizer_of(handle, 0.5)
    names = {id(parameter): name for name, parameter in handle.model.named_parameters()}
    trained = {id(parameter) for _, parameter in handle.trainable()}
    for group in optimizer.param_groups:
        for tensor in group["params"]:
            if id(tensor) not in trained:
                name = names.get(id(tensor), f"a tensor {tuple(tensor.shape)}")
                yield f"the optimizer holds {name}, which is not trainable, with weight decay {group['weight_decay']}"
    before = snapshot(frozen(handle))
    for parameter in handle.model.parameters():
        if parameter.is_floating_point():
            parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    handle.after_step(0)
    yield from moves(before, frozen(handle))


@_named("no dropout")
def no_dropout(trial: Trial) -> Iterator[str]:
    """In training mode the forward pass is the one of eval mode, so that rollouts and updates see one policy."""
    model = trial.handle.model
    evaluated = last_logits(model, batch())
    with torch.no_grad():
        trained = model(input_ids=batch()).logits[:, -batch().shape[1] :].float()
    yield from _apart(trial, trained, evaluated, "logits in training mode", "those in eval mode")


def _apart(trial: Trial, logits: Tensor, reference: Tensor, what: str, whose: str) -> Iterator[str]:
    error = (logits - reference).abs().max().item()
    allowed = trial.subject.tolerance * max(1.0, reference.abs().max().item())
    if not error <= allowed or math.isnan(error):
        yield f"{what} differ from {whose} by {error:.3g}; rounding explains {allowed:.2g}"
