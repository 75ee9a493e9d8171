"""LoRA starts against float64 references of their own, and starts that are not what they claim."""

import numpy as np
import pytest
import torch
from peft.tuners.lora.layer import LoraLayer
from tiny_models import batch, llama, tied_qwen

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.attestation import begin, finish, observe
from rlvr_bench.methods.base.plain import last_logits
from rlvr_bench.methods.peft import calibration as peft_calibration

PROMPTS = [torch.randint(3, 64, (12,), generator=torch.Generator().manual_seed(n)).tolist() for n in range(24)]
PATHS = ("model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.v_proj", "model.layers.1.mlp.down_proj")
STARTS = ["olora", "orthogonal", "mica", "eva", "corda", "lora-ga"]


def started(name: str, base=None, **settings):
    """A handle of rank 4 at its start."""
    return create({"type": name, "rank": 4, **settings}).attach(base or llama(), 0, PROMPTS)


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def parts(handle, path: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """What is left of the base, A, B and the scale of their product."""
    layer = handle.live.get_submodule(path)
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    return array(layer.base_layer.weight), array(down), array(up), layer.scaling["default"]


def inputs_of(path: str) -> list[np.ndarray]:
    """What the module reads, prompt by prompt (tokens, in), with hooks of our own."""
    model, seen = llama(), []
    model.get_submodule(path).register_forward_pre_hook(lambda _, inputs: seen.append(array(inputs[0][0])))
    with torch.no_grad():
        for prompt in PROMPTS:
            model(input_ids=torch.tensor([prompt]))
    return seen


@pytest.mark.parametrize("path", PATHS)
def test_olora_takes_out_the_first_part_of_the_qr_decomposition(path):
    weight = array(llama().get_submodule(path).weight)
    residual, down, up, scale = parts(started("olora"), path)
    q, r = np.linalg.qr(weight)
    assert scale == 1
    np.testing.assert_allclose(up @ down, q[:, :4] @ r[:4], atol=1e-6)
    np.testing.assert_allclose(up.T @ up, np.eye(4), atol=1e-6)
    np.testing.assert_allclose(residual, weight - q[:, :4] @ r[:4], atol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_mica_holds_the_bottom_left_singular_vectors(path):
    weight = array(llama().get_submodule(path).weight)
    residual, down, up, _ = parts(started("mica"), path)
    bottom = np.linalg.svd(weight, full_matrices=False)[0][:, -4:]
    np.testing.assert_array_equal(residual, weight)
    np.testing.assert_array_equal(down, 0)
    np.testing.assert_allclose(up @ up.T, bottom @ bottom.T, atol=1e-5)


def test_mica_trains_a_alone():
    assert all(".lora_A." in name for name, _ in started("mica").trainable())


@pytest.mark.parametrize("path", PATHS)
def test_orthogonal_factors_cancel_without_being_zero(path):
    _, down, up, _ = parts(started("orthogonal"), path)
    assert np.linalg.norm(down) > 0.1 and np.linalg.norm(up) > 0.1
    assert np.abs(up @ down).max() < 1e-6


@pytest.mark.parametrize("path", PATHS)
def test_eva_holds_the_principal_directions_of_the_inputs(path):
    _, down, up, _ = parts(started("eva"), path)
    inputs = np.concatenate(inputs_of(path))
    centred = inputs - inputs.mean(axis=0)
    best = np.linalg.svd(centred, compute_uv=False)[:4]
    np.testing.assert_array_equal(up, 0)
    np.testing.assert_allclose(down @ down.T, np.eye(4), atol=1e-5)
    assert np.linalg.norm(centred @ down.T) ** 2 >= 0.97 * (best**2).sum()


@pytest.mark.parametrize(("mode", "chosen"), [("ipm", slice(None, 4)), ("kpm", slice(-4, None))])
@pytest.mark.parametrize("path", PATHS)
def test_corda_takes_out_components_of_the_weight_times_the_covariance(path, mode, chosen):
    weight = array(llama().get_submodule(path).weight)
    residual, down, up, scale = parts(started("corda", mode=mode), path)
    scaled = [rows / np.abs(rows.max()) for rows in inputs_of(path)]
    covariance = sum(rows.T @ rows for rows in scaled) / len(scaled)
    damping = 0.01
    while True:  # as in the authors' code: until the inverse is accurate
        damped = covariance + damping * np.diag(covariance).mean() * np.eye(len(covariance))
        inverse = np.linalg.inv(damped)
        if np.linalg.norm(damped @ inverse - np.eye(len(damped))) < 0.05:
            break
        damping *= 2
    u, s, vt = np.linalg.svd(weight @ damped, full_matrices=False)
    part = (u[:, chosen] * s[chosen]) @ (vt[chosen] @ inverse)
    np.testing.assert_allclose(scale * up @ down, part, atol=2e-3 * np.abs(part).max())
    np.testing.assert_allclose(residual + scale * up @ down, weight, atol=1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_lora_ga_follows_the_gradient_of_the_prompts(path):
    model = llama().double()
    for prompt in PROMPTS:
        ids = torch.tensor([prompt])
        (model(input_ids=ids, labels=ids).loss / len(PROMPTS)).backward()
    u, s, vt = np.linalg.svd(array(model.get_submodule(path).weight.grad), full_matrices=False)
    weight = array(llama().get_submodule(path).weight)
    residual, down, up, scale = parts(started("lora-ga"), path)
    stretch = len(weight) ** 0.25 / 16**0.5
    np.testing.assert_allclose(np.abs(np.diag(down @ vt[:4].T)), 1, atol=1e-2)
    np.testing.assert_allclose(np.abs(np.diag(u[:, 4:8].T @ up)), s[4:8] * stretch, rtol=2e-2)
    np.testing.assert_allclose(residual + scale * up @ down, weight, atol=1e-6)


@pytest.mark.parametrize("make", [llama, tied_qwen])
@pytest.mark.parametrize("name", STARTS)
def test_a_true_start_is_the_base_and_attested_without_problems(name, make):
    chosen, base = create({"type": name, "rank": 4}), make()
    wanted, observed = last_logits(base, batch()), observe(base, chosen)
    base.train()
    handle = chosen.attach(base, 0, PROMPTS)
    assert base.training
    assert begin(chosen, handle, observed).problems == []
    torch.testing.assert_close(last_logits(handle.model, batch()), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [*STARTS, "pissa"])
def test_weights_that_are_plain_loras_are_caught_whatever_the_config_says(name):
    base, chosen = llama(), create({"type": name, "rank": 4})
    original = {each: tensor.detach().clone() for each, tensor in base.named_parameters()}
    observed = observe(base, chosen)
    handle = chosen.attach(base, 0, PROMPTS)
    with torch.no_grad():
        for each, tensor in handle.view.tensors(handle.live, handle.unwrapped):
            tensor.copy_(original[each])
        for layer in handle.live.modules():
            if isinstance(layer, LoraLayer):
                torch.nn.init.kaiming_uniform_(layer.lora_A["default"].weight, a=5**0.5)
                layer.lora_B["default"].weight.zero_()
    record = begin(chosen, handle, observed)
    assert record.identity_error < 1e-5
    assert any("model.layers" in problem for problem in record.problems)


def test_another_start_than_the_one_asked_for_is_caught():
    base, claimed = llama(), create({"type": "olora", "rank": 4})
    observed = observe(base, claimed)
    handle = create({"type": "pissa", "rank": 4}).attach(base, 0)
    problems = "; ".join(begin(claimed, handle, observed).problems)
    assert "init_lora_weights = 'olora' was asked for, but the adapters have 'pissa'" in problems
    assert "differs from the top-4 triangular part" in problems


@pytest.mark.parametrize("name", ["olora", "corda", "lora-ga"])
def test_a_start_that_moves_a_bfloat16_base_is_bit_exact_after_rollouts(name):
    chosen, base = create({"type": name, "rank": 4}), llama().to(torch.bfloat16)
    observed = observe(base, chosen)
    handle = chosen.attach(base, 0, PROMPTS)
    record = begin(chosen, handle, observed)
    for _ in range(5):
        with handle.rollout_weights() as plain:
            assert plain.dtype == torch.bfloat16
    assert finish(record, handle, None).problems == []


@pytest.mark.parametrize("name", ["eva", "corda", "lora-ga"])
def test_calibration_prompts_are_needed_and_decide_the_start(name):
    chosen = create({"type": name, "rank": 4})
    for nothing in (None, []):
        with pytest.raises(MethodError, match=f"'{name}' starts from what training prompts do in the model"):
            chosen.attach(llama(), 0, nothing)
    one, other = (chosen.attach(llama(), 0, prompts).stored_tensors() for prompts in (PROMPTS[:12], PROMPTS[12:]))
    assert any(not torch.allclose(one[each], other[each], atol=1e-4) for each in one)


def test_the_same_start_by_any_peft_config():
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 4, "init_lora_weights": "corda"}
    chosen = create({"type": "peft", **settings})
    assert chosen.needs_calibration and chosen.changes_base
    one, other = chosen.attach(llama(), 0, PROMPTS), started("corda")
    for path in PATHS:
        for mine, theirs in zip(parts(one, path), parts(other, path), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_prompts_that_do_not_suffice_are_refused_in_a_sentence():
    with pytest.raises(MethodError, match="no calibration prompt has a second token"):
        create({"type": "lora-ga", "rank": 4}).attach(llama(), 0, [[5], [6]])
    with pytest.raises(MethodError, match="have 6 tokens, but eva needs 8 for this rank"):
        create({"type": "eva", "rank": 4}).attach(llama(), 0, [[5, 6, 7], [6, 7, 8]])


def test_eva_does_not_go_on_for_ever(monkeypatch):
    monkeypatch.setattr(peft_calibration, "EVA_PASSES", 1)  # it takes three to see that nothing moves any more
    with pytest.raises(MethodError, match="did not settle within 1 passes over the calibration prompts"):
        started("eva")


def test_eva_moves_ranks_between_modules_and_keeps_their_sum():
    chosen, base = create({"type": "eva", "rank": 4, "rho": 2.0}), llama()
    observed = observe(base, chosen)
    handle = chosen.attach(base, 0, PROMPTS)
    assert begin(chosen, handle, observed).problems == []
    ranks = [parameter.shape[0] for name, parameter in handle.trainable() if ".lora_A." in name]
    assert sum(ranks) == 4 * 14 and len(set(ranks)) > 1 and max(ranks) <= 8
