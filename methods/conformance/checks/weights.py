"""Checks of what the trained weights are for others: rollouts, plain models, files."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from rlvr_bench.methods.base.plain import fill, last_logits
from rlvr_bench.methods.conformance.case import batch
from rlvr_bench.methods.conformance.checks.check import Skipped, apart
from rlvr_bench.methods.conformance.forward import passed, passed_by
from rlvr_bench.methods.conformance.trial import Trial, moves, state


def rollouts(trial: Trial) -> Iterator[str]:
    """A rollout context, even one that ends in an exception, leaves every bit of the model."""
    yield from trial.touched


def rollout_weights(trial: Trial) -> Iterator[str]:
    """Rollouts sample from the model that is trained, in eval mode."""
    handle = trial.handle
    trained = passed_by(handle)
    handle.model.train()
    with handle.rollout_weights() as plain:
        if plain.training:
            yield "the model that rollouts get is in training mode"
        sampled = passed(plain, None if handle.mergeable else handle.live)
    yield from apart(trial, sampled, trained, "logits of the rollout weights", "the trained model's")


def effective_weights(trial: Trial) -> Iterator[str]:
    """The dense weights that it tells, put into a plain model, give the trained model's logits."""
    if not trial.handle.mergeable:
        raise Skipped("it cannot be merged")
    plain = trial.case.base().float()
    weights = dict(trial.handle.effective_weights())
    for name in sorted({name for name, _ in plain.named_parameters()} - weights.keys()):
        yield f"{name} is missing from the effective weights"
    for name in fill(plain, weights):
        yield f"{name} is no base tensor, but among the effective weights"
    for name, tensor in weights.items():
        if tensor.dtype != torch.float32:
            yield f"{name} is told in {tensor.dtype}, not in float32"
    trained = passed_by(trial.handle)
    yield from apart(trial, passed(plain), trained, "logits of the effective weights", "the trained model's")


def save_and_load(trial: Trial) -> Iterator[str]:
    """What `export` writes, `load` reads into a fresh handle with the same logits, bit for bit."""
    again = trial.case.attach()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        trial.handle.export(Path(folder))
        again.load(Path(folder))
    error = (last_logits(again.model, batch()) - last_logits(trial.handle.model, batch())).abs().max().item()
    if error != 0:
        loaded = moves(dict(state(trial.handle.model)), state(again.model))
        first = next(loaded, "every tensor of the model is as it was").replace("moved", "differs")
        yield f"logits after loading differ from those before saving by {error:.3g}: {first}"
