"""Methods that differ from their claim in one thing only: the kit names the tensor or the number that gives it away."""

import re
import types
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from rlvr_bench.methods import create
from rlvr_bench.methods.base.budget import resolve, trainable_count
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.methods.base.method import Method
from rlvr_bench.methods.conformance import Suite
from rlvr_bench.methods.conformance.case import KINDS, SEED, Case
from rlvr_bench.methods.peft.subspace import subspace_problems
from rlvr_bench.methods.registry import method_class

Spoil = Callable[[Handle], None]


def spoilt(spoil: Spoil, kind: str, **settings: Any) -> Method:
    """Return the method `kind` with a handle that `spoil` changes after attaching."""
    honest = method_class(kind)

    class Spoilt(honest):
        def attach(self, model, seed, calibration=None):
            handle = super().attach(model, seed, calibration)
            spoil(handle)
            return handle

    return Spoilt(type=kind, **settings)


def bind(handle: Handle, name: str, function: Callable[..., Any]) -> None:
    setattr(handle, name, types.MethodType(function, handle))


def asks_for_another(rate: Callable[[float], float] = float, decay: float | None = None, betas: Any = None) -> Spoil:
    """Return what passes another rate, weight decay or betas to the optimizer than it is asked for."""

    def create_optimizer(self, lr, weight_decay, given):
        return type(self).create_optimizer(self, rate(lr), decay or weight_decay, betas or given)

    return lambda handle: bind(handle, "create_optimizer", create_optimizer)


def trains_a_layer_less(handle: Handle) -> None:
    for name, parameter in handle.trainable():
        parameter.requires_grad_(".layers.1." not in name)


def freezes_magnitudes(handle: Handle) -> None:
    for name, parameter in handle.trainable():
        parameter.requires_grad_("magnitude" not in name)


def cuts_the_graph_at_a(handle: Handle) -> None:
    for name, module in handle.live.named_modules():
        if name.endswith("lora_A.default"):
            module.register_forward_hook(lambda _, __, output: output.detach())


def doubles_the_scale(handle: Handle) -> None:
    for module in handle.live.modules():
        if isinstance(getattr(module, "scaling", None), dict) and "default" in module.scaling:
            module.scaling["default"] *= 2


def tells_more_than_it_uses(handle: Handle) -> None:
    def effective_weights(self):
        for name, tensor in type(self).effective_weights(self):
            yield name, tensor * 1.01 if "up_proj" in name else tensor

    bind(handle, "effective_weights", effective_weights)


def decays_norms(handle: Handle) -> None:
    def parameter_groups(self, rate, decay):
        return [{"params": [parameter for _, parameter in self.trainable()], "lr": rate, "weight_decay": decay}]

    bind(handle, "parameter_groups", parameter_groups)


def rolls_out_in_training_mode(handle: Handle) -> None:
    @contextmanager
    def rollout_weights(self):
        with type(self).rollout_weights(self) as plain:
            yield plain.train()

    bind(handle, "rollout_weights", rollout_weights)


def keeps_its_first_rollout_weights(handle: Handle) -> None:
    kept: list[Any] = []

    @contextmanager
    def rollout_weights(self):
        with type(self).rollout_weights(self) as plain:
            kept.append({name: tensor.clone() for name, tensor in plain.state_dict().items()})
            for name, tensor in plain.named_parameters():
                tensor.data = kept[0][name]
            yield plain

    bind(handle, "rollout_weights", rollout_weights)


def draws_one_matrix_only(handle: Handle) -> None:
    for name, parameter in handle.trainable():
        if ".lora_A." in name and "layers.0.self_attn.q_proj" not in name:
            parameter.data.fill_(0.1)


def zeroes_a_layer_after_each_step(handle: Handle) -> None:
    def after_step(self, step):
        with torch.no_grad():
            for name, parameter in self.trainable():
                if ".layers.1." in name and ".lora_B." in name:
                    parameter.zero_()

    bind(handle, "after_step", after_step)


def loses_its_projections(handle: Handle) -> None:
    for module in handle.live.modules():
        for hook in getattr(module, "hook_handles", []):
            hook.remove()


@pytest.mark.parametrize(
    ("spoil", "kind", "check", "words"),
    [
        (trains_a_layer_less, "lora", "attestation", r"layers\.1\.\S*lora_A\S* should be trainable and is not"),
        (freezes_magnitudes, "dora", "attestation", r"q_proj\.lora_magnitude_vector\S* should be trainable and is not"),
        (cuts_the_graph_at_a, "lora", "gradients only where declared", r"lora_A\S* is declared trainable and got no"),
        (doubles_the_scale, "lora", "attestation", r"q_proj scales its update by 16, the config says 8"),
        (tells_more_than_it_uses, "lora", "effective weights give the logits", r"differ from the trained model's by 0"),
        (
            decays_norms,
            "full",
            "optimizer as asked",
            r"input_layernorm\.weight is a norm or a bias, and decayed by 0.1",
        ),
        (
            asks_for_another(lambda lr: 10 * lr),
            "lora",
            "optimizer as asked",
            r"0.001 was asked for, the smallest.* 0.01",
        ),
        (asks_for_another(lambda lr: 1e-3), "lora", "optimizer as asked", r"0.002 was asked for, the smallest.* 0.001"),
        (asks_for_another(betas=(0.5, 0.5)), "lora", "optimizer as asked", r"the optimizer has \(0.5, 0.5\)"),
        (
            asks_for_another(decay=0.3),
            "lora",
            "optimizer as asked",
            r"decay of 0.1 was asked for, \S*lora_A\S* has 0.3",
        ),
        (rolls_out_in_training_mode, "lora", "rollout weights equal the forward pass", "is in training mode"),
        (keeps_its_first_rollout_weights, "lora", "rollout weights equal the forward pass", r"differ .* by \d"),
        (
            draws_one_matrix_only,
            "lora",
            "the seed decides the start",
            r"layers\.1\.self_attn\.q_proj\S* is the same under",
        ),
        (
            zeroes_a_layer_after_each_step,
            "lora",
            "gradients only where declared",
            r"layers\.1\.\S*lora_A\S* .* no grad",
        ),
        (loses_its_projections, "osf", "attestation", r"0.7\d* of the gradient of U_low lies in the frozen singular"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_one_difference_from_the_claim_is_named(spoil, kind, check, words):
    settings = {"rank": 4} if kind in ("lora", "dora") else {}
    outcome = Suite(spoilt(spoil, kind, **settings), [KINDS[0]]).run(check)
    assert outcome.status == "failed", outcome
    assert re.search(words, outcome.detail), outcome.detail


@pytest.mark.parametrize("kind", KINDS[:2], ids=str)
def test_osf_projects_its_gradients_before_and_after_a_rollout(kind):
    handle = Case(create({"type": "osf"}), *kind).attach()
    assert subspace_problems(handle.method, handle, None) == []
    with handle.rollout_weights():
        assert subspace_problems(handle.method, handle, None) == []
    assert subspace_problems(handle.method, handle, None) == []


def test_an_osf_step_stays_off_the_frozen_span():
    """In numpy: with plain gradient descent, the trained frames stay orthogonal to the frozen ones."""
    case = Case(create({"type": "osf"}), *KINDS[0])
    base = dict(case.base().named_parameters())
    handle = case.attach(seed=SEED)
    with handle.rollout_weights():
        pass
    tokens = torch.arange(3, 35).reshape(2, 16)
    handle.model(input_ids=tokens, labels=tokens).loss.backward()
    for name, parameter in handle.trainable():
        if name.endswith("U_low"):
            weight = base[f"{name.removeprefix('base_model.model.').partition('.osf_')[0]}.weight"].detach().double()
            left = np.linalg.svd(weight.numpy())[0][:, : min(weight.shape) - parameter.shape[1]]
            gradient = parameter.grad.double().numpy()
            assert np.linalg.norm(left.T @ gradient) < 1e-4 * np.linalg.norm(gradient), name


def test_a_budget_never_ends_at_nothing():
    model = Case(create({"type": "oft"}), *KINDS[0]).base()
    chosen = resolve(create({"type": "oft", "params": 1}), model)
    assert chosen.block_size == 2 and trainable_count(chosen, model) > 0
