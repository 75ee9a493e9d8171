"""SVF and ISO against numpy's SVD: what stays fixed, what moves, and what the attestation sees."""

import numpy as np
import pytest
import torch
from method_runs import array, attested, problems, run, weights
from scipy.linalg import polar
from tiny_models import batch, llama, tied_qwen
from torch import nn

from rlvr_bench.methods import create
from rlvr_bench.methods.attestation import begin, observe
from rlvr_bench.methods.base.plain import fill, last_logits
from rlvr_bench.methods.spectral.handle import ScaledSpectrum, TurnedFrames

SVF, ISO = create({"type": "svf"}), create({"type": "iso"})
BOTH = pytest.mark.parametrize("method", [SVF, ISO], ids=["svf", "iso"])
MODELS = pytest.mark.parametrize("make", [llama, tied_qwen])


def spectrum(weight: torch.Tensor) -> np.ndarray:
    return np.linalg.svd(array(weight), compute_uv=False)


@BOTH
@MODELS
def test_the_start_is_the_base_up_to_float32_rounding(method, make):
    wanted = last_logits(make(), batch())
    handle = method.attach(make(), seed=0)
    error = (last_logits(handle.model, batch()) - wanted).abs().max()
    assert error == 0 if method is SVF else error < 1e-5


@BOTH
def test_a_bfloat16_base_is_its_start_and_is_used_in_bfloat16(method):
    make = lambda: llama().to(torch.bfloat16)  # noqa: E731
    wanted = last_logits(make(), batch())
    handle, record = attested(method, make=make)
    assert record.valid, record.problems
    start = method.attach(make(), seed=0)
    torch.testing.assert_close(last_logits(start.model, batch()), wanted, rtol=0, atol=2e-2)
    assert all(parameter.dtype == torch.float32 for _, parameter in handle.trainable())
    with handle.rollout_weights() as plain:
        assert plain.dtype == torch.bfloat16
        assert torch.equal(last_logits(plain, batch()), last_logits(handle.model, batch()))


@MODELS
def test_svf_scales_singular_values_and_nothing_else(make):
    handle = SVF.attach(make(), seed=0)
    base = weights(make())
    run(handle, steps=3, learning_rate=3e-2)
    for path, layer in handle.layers():
        u, s, vt = np.linalg.svd(array(base[f"{path}.weight"]), full_matrices=False)
        trained = array(layer.weight_and_bias()[0])
        np.testing.assert_allclose(trained, (u * (s * array(layer.scale))) @ vt, atol=3e-6)
        rotated = u.T @ trained @ vt.T
        np.testing.assert_allclose(rotated, np.diag(np.diag(rotated)), atol=3e-6)
        assert np.abs(array(layer.scale) - 1).max() > 1e-2


@MODELS
def test_iso_keeps_every_singular_value_and_orthonormal_frames_while_it_moves(make):
    handle = ISO.attach(make(), seed=0)
    base = weights(make())
    run(handle, steps=3, learning_rate=1e-2, weight_decay=0.1)
    for name, tensor in handle.effective_weights():
        if not name.endswith("_proj.weight"):
            assert torch.equal(tensor, base[name])
            continue
        before = spectrum(base[name])
        np.testing.assert_allclose(spectrum(tensor), before, atol=1e-5 * before[0])
        assert np.linalg.norm(array(tensor - base[name])) > 1e-2 * np.linalg.norm(array(base[name]))
    for _, layer in handle.layers():
        for frame in (array(layer.left), array(layer.right)):
            np.testing.assert_allclose(frame.T @ frame, np.eye(frame.shape[1]), atol=1e-6)


def test_an_iso_step_is_adamw_on_free_frames_and_then_scipys_polar_factor():
    """Gradients from the dense weight's by the chain rule, AdamW's first step by arithmetic, both in float64."""
    handle, dense = ISO.attach(llama(), seed=0), llama()
    frames = {path: (array(layer.left), array(layer.spectrum), array(layer.right)) for path, layer in handle.layers()}
    run(handle, steps=1, learning_rate=1e-2)
    dense(input_ids=batch(0), labels=batch(0)).loss.backward()
    for path, layer in handle.layers():
        left, values, right = frames[path]
        gradient = array(dense.get_submodule(path).weight.grad)
        for got, frame, slope in (
            (layer.left, left, gradient @ right * values),
            (layer.right, right, gradient.T @ left * values),
        ):
            moved = frame - 1e-2 * slope / (np.abs(slope) + 1e-8)
            clear = np.abs(slope) > 1e-6 * np.abs(slope).max()
            assert clear.mean() > 0.99
            np.testing.assert_allclose(array(got), polar(moved)[0], atol=2e-4)


@MODELS
def test_a_step_without_gradient_moves_no_bit_of_a_frame(make):
    handle = ISO.attach(make(), seed=0)
    run(handle, steps=2)
    before = weights(handle.model)
    optimizer = handle.create_optimizer(1e-2, 0.1, (0.9, 0.95))
    for step in range(3):
        for _, frame in handle.trainable():
            frame.grad = torch.zeros_like(frame)
        optimizer.step()
        handle.after_step(step)
    assert all(torch.equal(tensor, before[name]) for name, tensor in handle.model.named_parameters())


def test_weight_decay_does_not_touch_frames():
    handle = ISO.attach(llama(), seed=0)
    assert {group["weight_decay"] for group in handle.parameter_groups(1e-3, 0.1)} == {0.0}


@BOTH
@MODELS
def test_frozen_parts_stay_and_an_honest_run_is_valid(method, make):
    base = make()
    before = weights(base)
    handle, record = attested(method, make=lambda: base, weight_decay=0.1)
    assert record.valid, record.problems
    assert record.identity_error < 1e-5 and record.merge_error == 0
    for name, tensor in handle.view.tensors(handle.live, handle.unwrapped):
        assert torch.equal(tensor, before[name]), name
    trained = {name: tuple(tensor.shape) for name, tensor in handle.trainable()}
    assert trained == method.expected_trainable({name: tuple(tensor.shape) for name, tensor in before.items()})


def test_counts_follow_from_the_shapes():
    sizes = {path: tuple(layer.base_layer.weight.shape) for path, layer in SVF.attach(llama(), seed=0).layers()}
    assert {(16, 32), (32, 32), (64, 32), (32, 64)} == set(sizes.values())  # grouped keys and values among them
    assert SVF.attach(llama(), seed=0).trainable_parameters == sum(map(min, sizes.values()))
    assert ISO.attach(llama(), seed=0).trainable_parameters == sum((m + n) * min(m, n) for m, n in sizes.values())


@BOTH
@MODELS
def test_merged_weights_are_the_forward_pass(method, make, tmp_path):
    handle = method.attach(make(), seed=0)
    run(handle)
    trained = last_logits(handle.model, batch())
    with handle.rollout_weights() as plain:
        assert {type(m) for m in plain.modules() if isinstance(m, nn.Linear)} == {nn.Linear}
        assert torch.equal(last_logits(plain, batch()), trained)
    assert torch.equal(last_logits(handle.model, batch()), trained)
    plain = make()
    assert fill(plain, dict(handle.effective_weights())) == []
    assert torch.equal(last_logits(plain, batch()), trained)
    handle.export(tmp_path)
    again = method.attach(make(), seed=0)
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), trained)


@BOTH
def test_autocast_does_not_reach_the_product_of_the_frames(method):
    handle = method.attach(llama(), seed=0)
    run(handle)
    _, layer = handle.layers()[0]
    wanted = layer.merged().weight
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.merged().weight, wanted)
        assert layer(torch.ones(2, 32)).dtype == torch.bfloat16


@BOTH
def test_gradient_checkpointing_gives_the_same_gradients(method):
    plain, saving = method.attach(llama(), seed=0), method.attach(llama(), seed=0)
    saving.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    for handle in (plain, saving):
        handle.model.train()
        handle.model(input_ids=batch(), labels=batch()).loss.backward()
    for (name, one), (_, other) in zip(plain.trainable(), saving.trainable(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


def broken(method, change):
    """Attach `method`, let `change` spoil its first wrapped layer, and return what the start check says."""
    base = llama()
    observation = observe(base, method)
    handle = method.attach(base, seed=0)
    with torch.no_grad():
        change(handle.layers()[0][1])
    return problems(begin(method, handle, observation))


def rescale(layer):
    layer.left *= 1.01


def permute(layer):
    layer.spectrum.copy_(layer.spectrum.flip(0))


def start_elsewhere(layer):
    layer.scale[0] = 1.001


class Unscaled(ScaledSpectrum):
    """Claims to scale singular values, and scales the whole weight by the mean."""

    def weight_and_bias(self):
        return self.base_layer.weight * self.scale.mean(), self.base_layer.bias


def mislead(layer):
    layer.__class__ = Unscaled


@pytest.mark.parametrize(
    ("method", "change", "words"),
    [
        (SVF, rescale, "are not orthonormal, by 0.02"),
        (SVF, permute, "U diag(s) V' of model.layers.0.self_attn.q_proj differs from the base's"),
        (SVF, start_elsewhere, "does not start at 1"),
        (SVF, mislead, "computes for another z differs"),
        (ISO, rescale, "are not orthonormal, by 0.02"),
        (ISO, permute, "U diag(s) V' of model.layers.0.self_attn.q_proj differs from the base's"),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_a_start_that_is_not_the_methods_is_caught(method, change, words):
    assert words in broken(method, change)


@BOTH
def test_another_method_under_the_name_is_caught(method):
    other = ISO if method is SVF else SVF
    _, record = attested(method, other)
    assert "no layer" in problems(record) and "should be trainable and is not" in problems(record)


def test_frames_that_were_never_retracted_are_caught():
    base = llama()
    observation = observe(base, ISO)
    handle = ISO.attach(base, seed=0)
    record = begin(ISO, handle, observation)
    assert record.problems == []
    handle.after_step = lambda step: None
    run(handle)
    text = "; ".join(ISO.problems_at_end(handle, None))
    assert "are not orthonormal" in text and "the spectrum of model.layers.0.self_attn.q_proj differs" in text


def test_a_spectrum_that_moved_during_svf_or_iso_is_caught():
    for method, kind in ((SVF, ScaledSpectrum), (ISO, TurnedFrames)):
        handle = method.attach(llama(), seed=0)
        layer = handle.layers()[0][1]
        assert isinstance(layer, kind)
        names = {name for name, _ in handle.frozen_additions()}
        assert "model.layers.0.self_attn.q_proj.spectrum" in names
