"""Checks of training: where gradients go, what the optimizer is, and what steps leave alone."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from rlvr_bench.methods.base.handle import NO_WEIGHT_DECAY
from rlvr_bench.methods.conformance.checks.check import apart
from rlvr_bench.methods.conformance.forward import passed_by
from rlvr_bench.methods.conformance.trial import (
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


def gradients(trial: Trial) -> Iterator[str]:
    """Backpropagation reaches the declared tensors, all of them and no other."""
    declared = {name for name, _ in trial.handle.trainable()}
    for name, largest in trial.gradients.items():
        if name not in declared:
            yield f"{name} gets a gradient (up to {largest:.3g}) and is not declared trainable"
    for name in sorted(declared):
        if not trial.gradients.get(name):
            yield f"{name} is declared trainable and got no gradient in {STEPS} steps"


def frozen_base(trial: Trial) -> Iterator[str]:
    """Training steps and rollouts leave every frozen tensor as it was, bit for bit."""
    yield from moves(trial.start_frozen, frozen(trial.handle))


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
        first = names.get(id(group["params"][0]), "a tensor that is not trainable")
        if tuple(group.get("betas", BETAS)) != BETAS:
            yield f"betas {BETAS} were asked for, the optimizer has {tuple(group['betas'])} for {first}"
        if group["weight_decay"] not in (0, WEIGHT_DECAY):
            yield f"a weight decay of {WEIGHT_DECAY} was asked for, {first} has {group['weight_decay']}"
        for tensor in group["params"] if group["weight_decay"] else []:
            if NO_WEIGHT_DECAY.search(names.get(id(tensor), "")):
                yield f"{names[id(tensor)]} is a norm or a bias, and decayed by {group['weight_decay']}"


def zero_gradient(trial: Trial) -> Iterator[str]:
    """An optimizer step without decay on zero gradients leaves every bit."""
    handle = trial.spare
    optimizer = optimizer_of(handle, 0.0)
    before = snapshot(state(handle.model))
    for _, parameter in handle.trainable():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    yield from moves(before, state(handle.model))


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


def no_dropout(trial: Trial) -> Iterator[str]:
    """In training mode the forward pass is the one of eval mode, so that rollouts and updates see one policy."""
    trained, evaluated = passed_by(trial.handle, training=True), passed_by(trial.handle)
    yield from apart(trial, trained, evaluated, "logits in training mode", "those in eval mode")
