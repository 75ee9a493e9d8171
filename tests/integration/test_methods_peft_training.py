"""What LoRA+, LoRA-FA and AdaLoRA do while they train, against PEFT's own optimizers and losses."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from peft.optimizers import create_lorafa_optimizer, create_loraplus_optimizer, lorafa
from tiny_models import batch, llama

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.attestation import begin, finish, observe

BETAS = (0.9, 0.999)


def learn(handle) -> None:
    handle.model(input_ids=batch(), labels=batch()).loss.backward()


def train(handle, steps: int, rate: float = 1e-2) -> torch.optim.Optimizer:
    optimizer = handle.create_optimizer(rate, 0.0, BETAS)
    handle.before_training(steps)
    handle.model.train()
    for step in range(steps):
        learn(handle)
        optimizer.step()
        handle.after_step(step)
        optimizer.zero_grad()
    return optimizer


def run(settings, actual=None, steps: int = 4, optimizer_of=None) -> list[str]:
    """Train and return the problems of the record."""
    claimed, base = create(settings), llama()
    observed = observe(base, claimed)
    handle = (actual or claimed).attach(base, 0)
    record = begin(claimed, handle, observed)
    optimizer = train(handle, steps) if optimizer_of is None else optimizer_of(handle)
    return finish(record, handle, optimizer).problems


def test_lora_plus_has_the_groups_of_pefts_own_optimizer():
    handle = create({"type": "lora-plus", "rank": 4, "ratio": 8}).attach(llama(), 0)
    theirs = create_loraplus_optimizer(handle.model, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=8)
    wanted = {id(tensor): group["lr"] for group in theirs.param_groups for tensor in group["params"]}
    ours = handle.create_optimizer(1e-3, 0.1, BETAS)
    assert {id(tensor): group["lr"] for group in ours.param_groups for tensor in group["params"]} == wanted
    assert sorted(set(wanted.values())) == [1e-3, 8e-3]
    assert {group["weight_decay"] for group in ours.param_groups} == {0.1}


def test_lora_plus_at_one_rate_is_invalid():
    settings = {"type": "lora-plus", "rank": 4}
    assert run(settings) == []
    one_rate = run(settings, optimizer_of=lambda handle: torch.optim.AdamW([p for _, p in handle.trainable()], lr=1e-3))
    assert one_rate == ["B learned at [0.001] and A at [0.001], but ratio = 16.0 was asked for"]
    lora = run(settings, actual=create({"type": "lora", "rank": 4}))
    assert any("but ratio = 16.0 was asked for" in problem for problem in lora)


def test_lora_plus_keeps_its_ratio_under_a_schedule_that_ends_at_zero():
    def scheduled(handle):
        optimizer = handle.create_optimizer(1e-3, 0.0, BETAS)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=2)
        for _ in range(2):
            learn(handle)
            optimizer.step()
            schedule.step()
        assert {group["lr"] for group in optimizer.param_groups} == {0.0}
        return optimizer

    assert run({"type": "lora-plus", "rank": 4}, optimizer_of=scheduled) == []


@pytest.mark.parametrize("rslora", [False, True])
def test_lora_fa_steps_as_pefts_own_optimizer_does_in_float32(rslora, monkeypatch):
    monkeypatch.setattr(lorafa, "is_bf16_available", lambda: False)
    settings = {"type": "lora-fa", "rank": 4, "alpha": 8, "rslora": rslora}
    ours, theirs = (create(settings).attach(llama(), 0) for _ in range(2))
    mine = ours.create_optimizer(1e-3, 0.0, BETAS)
    reference = create_lorafa_optimizer(theirs.model, r=4, lora_alpha=8, lr=1e-3)
    for group in mine.param_groups + reference.param_groups:
        group["eps"] = 1e-15  # added before and after the bias correction
    for _ in range(3):
        for handle, optimizer in ((ours, mine), (theirs, reference)):
            learn(handle)
            optimizer.step()
            handle.model.zero_grad()
    wanted = dict(theirs.trainable())
    assert all(".lora_B." in name for name in wanted)
    for name, parameter in ours.trainable():
        assert parameter.abs().max() > 1e-4
        torch.testing.assert_close(parameter, wanted[name], rtol=1e-3, atol=1e-6)


def test_lora_fa_moves_the_matrix_along_its_projected_gradient():
    """With B's gradient g = s G A', the step s (g (A A')^-1 / s^2) A is G projected on the rows of A."""
    handle = create({"type": "lora-fa", "rank": 4}).attach(llama(), 0)
    optimizer = handle.create_optimizer(1e-3, 0.0, BETAS)
    learn(handle)
    layer = handle.live.model.layers[0].mlp.up_proj
    down, raw = (
        t.detach().double().numpy() for t in (layer.lora_A["default"].weight, layer.lora_B["default"].weight.grad)
    )
    optimizer.step()
    seen, scale = layer.lora_B["default"].weight.grad.double().numpy(), layer.scaling["default"]
    full = raw @ np.linalg.pinv(scale * down.T)  # some G with s G A' = g
    projector = np.linalg.pinv(down) @ down
    np.testing.assert_allclose(scale * seen @ down, full @ projector, rtol=1e-3, atol=1e-6 * np.abs(full).max())


def test_lora_fa_trained_by_another_optimizer_is_invalid():
    settings = {"type": "lora-fa", "rank": 4}
    assert run(settings) == []

    def plain(handle):
        optimizer = torch.optim.AdamW(handle.parameter_groups(1e-3, 0.0))
        learn(handle)
        optimizer.step()
        return optimizer

    assert run(settings, optimizer_of=plain) == [
        "the gradients of B were never projected; train with the optimizer of create_optimizer"
    ]


@pytest.mark.parametrize("steps", [3, 5, 12, 40])
def test_adalora_prunes_its_ranks_to_the_budget_and_the_merged_weights_have_them(steps):
    base, handle = llama(), create({"type": "adalora", "rank": 2}).attach(llama(), 0)
    assert handle.ranks() == [0] * 14  # E starts at zero
    train(handle, steps)
    ranks = handle.ranks()
    assert sum(ranks) == 2 * 14
    for (name, weight), rank in zip(
        [(n, w) for n, w in handle.effective_weights() if n.endswith("proj.weight")], ranks, strict=True
    ):
        update = (weight - base.get_parameter(name).detach()).double()
        assert int(torch.linalg.matrix_rank(update, rtol=1e-4)) <= rank


def test_adalora_prunes_step_by_step_and_never_beyond_its_schedule():
    handle = create({"type": "adalora", "rank": 2, "warm_up": 0.2, "final": 0.3}).attach(llama(), 0)
    optimizer = handle.create_optimizer(1e-2, 0.0, BETAS)
    handle.before_training(20)
    kept = []
    for step in range(20):
        learn(handle)
        optimizer.step()
        handle.after_step(step)
        optimizer.zero_grad()
        kept.append(sum(handle.ranks()))
    assert kept[:5] == [3 * 14] * 5
    assert all(later <= earlier for earlier, later in pairwise(kept))
    assert len(set(kept)) > 4
    assert kept[14:] == [2 * 14] * 6


def test_adalora_reallocates_unevenly():
    handle = create({"type": "adalora", "rank": 2}).attach(llama(), 0)
    train(handle, 12)
    assert len(set(handle.ranks())) > 1


def test_adalora_without_its_schedule_or_with_too_few_steps_says_so():
    handle = create({"type": "adalora", "rank": 2}).attach(llama(), 0)
    with pytest.raises(MethodError, match="at least 3 steps, got 2"):
        handle.before_training(2)
    learn(handle)
    with pytest.raises(MethodError, match="call before_training"):
        handle.after_step(0)


def test_adalora_that_never_reallocates_is_invalid():
    settings = {"type": "adalora", "rank": 2}
    assert run(settings) == []

    def never(handle):
        optimizer = handle.create_optimizer(1e-2, 0.0, BETAS)
        learn(handle)
        optimizer.step()
        return optimizer

    assert run(settings, optimizer_of=never) == [
        "ranks were never reallocated; call after_step after every optimizer step"
    ]


def test_adaloras_pull_is_the_gradient_of_pefts_regulariser():
    """PEFT adds its own to a loss from labels, with the weight in its config."""
    handle = create({"type": "adalora", "rank": 2, "orthogonality": 0.3}).attach(llama(), 0)
    train(handle, 3)

    def gradients(weight: float) -> dict[str, torch.Tensor]:
        handle.model.zero_grad()
        handle.config.orth_reg_weight = weight
        learn(handle)
        return {name: parameter.grad.clone() for name, parameter in handle.trainable()}

    without, with_theirs = gradients(0.0), gradients(0.3)
    gradients(0.0)
    handle.add_orthogonality_gradients()
    for name, parameter in handle.trainable():
        pull = parameter.grad - without[name]
        assert ("lora_E" in name) == (not pull.any())
        torch.testing.assert_close(parameter.grad, with_theirs[name], rtol=1e-3, atol=1e-6)


def test_adaloras_pull_leaves_a_step_without_gradients_alone():
    handle = create({"type": "adalora", "rank": 2}).attach(llama(), 0)
    before = {name: parameter.detach().clone() for name, parameter in handle.trainable()}
    optimizer = handle.create_optimizer(1e-2, 0.0, BETAS)
    for _, parameter in handle.trainable():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    assert all(torch.equal(before[name], parameter) for name, parameter in handle.trainable())


def test_adalora_divides_by_a_constant_that_no_cast_makes_trainable():
    handle = create({"type": "adalora", "rank": 2}).attach(llama().to(torch.bfloat16), 0)
    assert not any("ranknum" in name for name, _ in handle.trainable())
    assert sum("ranknum" in name for name, _ in handle.frozen_additions()) == 14
