"""The formula of each method of our own, in numpy float64 from W0 and the trained tensors alone.

What a start is, which entries a mask takes and when they change is tested beside each method; here is what the trained
model computes with, and which gradient its tensors get.
"""

import numpy as np
import pytest
import torch
from method_runs import array, prompts, run, weights
from tiny_models import batch, llama, tied_qwen

from rlvr_bench.methods import create

RANK = 4
MODELS = pytest.mark.parametrize("make", [llama, tied_qwen])


def svd(weight):
    return np.linalg.svd(weight, full_matrices=False)


def part(weight, picked):
    u, s, vt = svd(weight)
    return (u[:, picked] * s[picked]) @ vt[picked]


def lowest(magnitude, share):
    return magnitude <= np.sort(magnitude, axis=None)[round(share * magnitude.size) - 1]


def geometric(weight):
    """GeoRA, arXiv 2601.09361: the small entries of W0 and of its reconstruction, and of those the principal part."""
    kept = lowest(np.abs(part(weight, slice(0, RANK))), 0.2) | lowest(np.abs(weight), 0.2)
    return part(np.where(kept, weight, 0), slice(0, RANK))


def milora(weight, t):
    return weight - part(weight, slice(-RANK, None)) + t["lora_B"] @ t["lora_A"]


def geora(weight, t):
    return weight - geometric(weight) + t["lora_B"] @ t["lora_A"]


def geora_scaled(weight, t):
    """At alpha = 2 rank: A and B start as those of the unscaled one, so that twice their product leaves the base."""
    return weight - 2 * geometric(weight) + 2 * t["lora_B"] @ t["lora_A"]


def orthonormal(weight, t):
    return weight + 32 / RANK * t["lora_B"] @ t["lora_A"]


def oplora(weight, t):
    u, _, vt = svd(weight)
    left, right = np.eye(len(u)) - u[:, :5] @ u[:, :5].T, np.eye(vt.shape[1]) - vt[:5].T @ vt[:5]
    return weight + 32 / RANK * left @ t["up"] @ t["down"] @ right


def svf(weight, t):
    u, s, vt = svd(weight)
    return (u * (s * t["scale"])) @ vt


def iso(weight, t):
    return (t["left"] * svd(weight)[1]) @ t["right"].T


FORMULAS = {
    "milora": ({"type": "milora", "rank": RANK}, milora),
    "geora": ({"type": "geora", "rank": RANK}, geora),
    "geora at twice the scale": ({"type": "geora", "rank": RANK, "alpha": 2 * RANK}, geora_scaled),
    "rlpo": ({"type": "rlpo", "rank": RANK}, orthonormal),
    "rlmo": ({"type": "rlmo", "rank": RANK}, orthonormal),
    "oplora": ({"type": "oplora", "rank": RANK, "protected": 5}, oplora),
    "svf": ({"type": "svf"}, svf),
    "iso": ({"type": "iso"}, iso),
}


def trained_at(handle, path: str) -> dict[str, np.ndarray]:
    """The trained tensors of one matrix by their own name, e.g. "lora_A"."""
    found = {name.partition(f"{path}.")[2]: array(tensor) for name, tensor in handle.trainable() if f"{path}." in name}
    return {name.partition(".")[0]: value for name, value in found.items()}


@MODELS
@pytest.mark.parametrize(("settings", "formula"), FORMULAS.values(), ids=FORMULAS)
def test_the_trained_weights_are_the_formula_of_the_base_and_the_trained_tensors(settings, formula, make):
    base = weights(make())
    handle = create(settings).attach(make(), seed=0, calibration=prompts())
    run(handle, steps=3, learning_rate=1e-2)
    seen = 0
    for name, tensor in handle.effective_weights():
        if not name.endswith("_proj.weight"):
            assert torch.equal(tensor, base[name])
            continue
        before, got = array(base[name]), array(tensor)
        wanted = formula(before, trained_at(handle, name.removesuffix(".weight")))
        assert np.linalg.norm(got - before) > 1e-3 * np.linalg.norm(before)
        np.testing.assert_allclose(got, wanted, atol=2e-6, err_msg=name)
        seen += 1
    assert seen == 14


def slopes(settings, weight, gradient, t) -> dict[str, np.ndarray]:
    """By the chain rule, dL/d(trained tensor) from G = dL/dW at the start."""
    u, s, vt = svd(weight)
    if settings["type"] == "svf":
        return {"scale": s * np.einsum("oi,oj,ij->i", u, gradient, vt)}
    if settings["type"] == "oplora":
        left, right = np.eye(len(u)) - u[:, :5] @ u[:, :5].T, np.eye(vt.shape[1]) - vt[:5].T @ vt[:5]
        seen = 32 / RANK * left @ gradient @ right
        return {"up": seen @ t["down"].T, "down": t["up"].T @ seen}
    scale = 1 if settings["type"] == "milora" else 32 / RANK
    return {"lora_B": scale * gradient @ t["lora_A"].T, "lora_A": scale * t["lora_B"].T @ gradient}


@pytest.mark.parametrize("kind", ["milora", "rlpo", "oplora", "svf"])
def test_the_first_gradient_is_the_dense_one_by_the_chain_rule(kind):
    settings, dense = FORMULAS[kind][0], llama()
    handle = create(settings).attach(llama(), seed=0)
    for model in (dense, handle.model):
        model(input_ids=batch(), labels=batch()).loss.backward()
    for path in (name.removesuffix(".weight") for name in weights(dense) if name.endswith("_proj.weight")):
        module, got = dense.get_submodule(path), handle.live.get_submodule(path)
        wanted = slopes(settings, array(module.weight), array(module.weight.grad), trained_at(handle, path))
        for name, slope in wanted.items():
            tensor = next(p for full, p in got.named_parameters() if full.partition(".")[0] == name)
            np.testing.assert_allclose(array(tensor.grad), slope, atol=1e-3 * np.abs(slope).max() + 1e-8, err_msg=path)
