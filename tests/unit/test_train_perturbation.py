"""Perturbations, their scores and the gradient that they estimate, against numpy on a quadratic."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from rlvr_bench.train.perturbation import Shaping, estimate, perturb, shaped

SIZES = ((3, 4), (8,))
SIGMA = 0.05


def _quadratic() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(20, 20))
    return root @ root.T / 20 + np.eye(20), rng.normal(size=20)


CURVATURE, TOP = _quadratic()


def _reward(point: NDArray[np.float64]) -> float:
    return float(-0.5 * (point - TOP) @ CURVATURE @ (point - TOP))


def _flat(tensors: list[Tensor]) -> NDArray[np.float64]:
    return np.concatenate([tensor.numpy().ravel() for tensor in tensors])


def _tensors() -> list[Tensor]:
    return [torch.zeros(size, dtype=torch.float64) for size in SIZES]


def _population(pairs: int) -> tuple[list[float], NDArray[np.float64]]:
    """The rewards of a population around 0, and the noise of its pairs, by numpy from the perturbed tensors."""
    rewards, noise = [], []
    for seed in range(pairs):
        members = []
        for sign in (1, -1):
            tensors = _tensors()
            perturb(tensors, _tensors(), seed, sign * SIGMA)
            members.append(_flat(tensors))
            rewards.append(_reward(members[-1]))
        np.testing.assert_array_equal(members[0], -members[1])
        noise.append(members[0] / SIGMA)
    return rewards, np.array(noise)


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_the_estimate_is_its_formula() -> None:
    rewards, noise = _population(7)
    found = _flat(estimate(_tensors(), range(7), rewards))
    weights = np.array(rewards[::2]) - np.array(rewards[1::2])
    np.testing.assert_allclose(found, weights @ noise / 14, rtol=1e-12)


def test_with_rewards_as_scores_it_tends_to_sigma_times_the_gradient() -> None:
    pairs = 3000
    rewards, noise = _population(pairs)
    gradient = CURVATURE @ TOP
    found = _flat(estimate(_tensors(), range(pairs), rewards)) / SIGMA
    # Of a quadratic each pair gives exactly noise (noise . gradient); their mean is off by |g| / sqrt(pairs) an entry.
    np.testing.assert_allclose(found, noise.T @ (noise @ gradient) / pairs, rtol=1e-9)
    assert np.abs(found - gradient).max() < 5 * np.linalg.norm(gradient) / np.sqrt(pairs)


@pytest.mark.parametrize("shaping", ["z-scores", "ranks"])
def test_scores_keep_the_direction_of_the_gradient(shaping: Shaping) -> None:
    rewards, _ = _population(1500)
    found = _flat(estimate(_tensors(), range(1500), shaped(rewards, shaping)))
    assert _cosine(found, CURVATURE @ TOP) > 0.97
    few, _ = _population(8)
    rough = _flat(estimate(_tensors(), range(8), shaped(few, shaping)))
    assert 0.2 < _cosine(rough, CURVATURE @ TOP) < 0.9


def test_ascent_on_the_estimate_climbs_the_quadratic() -> None:
    point = _tensors()
    for step in range(150):
        seeds = range(100 * step, 100 * step + 16)
        rewards = []
        for seed in seeds:
            for sign in (1, -1):
                members = _tensors()
                perturb(members, point, seed, sign * SIGMA)
                rewards.append(_reward(_flat(members)))
        for tensor, rise in zip(point, estimate(point, seeds, shaped(rewards, "z-scores")), strict=True):
            tensor.add_(rise, alpha=0.2)
    assert _reward(_flat(point)) > 0.05 * _reward(np.zeros(20))


def test_noise_is_standard_normal_and_follows_from_the_seed() -> None:
    drawn = [torch.zeros(200, 200), torch.zeros(10_000)]
    perturb(drawn, drawn, 3, 1.0)
    flat = np.concatenate([tensor.numpy().ravel() for tensor in drawn])
    assert abs(flat.mean()) < 0.02 and abs(flat.std() - 1) < 0.01
    assert abs(np.corrcoef(drawn[0].numpy().ravel()[:10_000], drawn[1].numpy())[0, 1]) < 0.04
    again, other = [torch.zeros(200, 200)], [torch.zeros(200, 200)]
    perturb(again, [torch.zeros(200, 200)], 3, 1.0)
    perturb(other, [torch.zeros(200, 200)], 4, 1.0)
    assert torch.equal(again[0], drawn[0]) and not torch.equal(other[0], drawn[0])


@given(st.lists(st.integers(0, 3), min_size=2, max_size=30))
def test_scores_are_centred_in_order_and_equal_for_equal_rewards(rewards: list[int]) -> None:
    for shaping, largest in (("z-scores", np.sqrt(len(rewards))), ("ranks", 0.5)):
        scores = np.array(shaped(rewards, shaping))  # type: ignore[arg-type]
        assert abs(scores.mean()) < 1e-9 and np.abs(scores).max() <= largest + 1e-9
        for one in range(len(rewards)):
            assert all(np.sign(scores[one] - scores) == np.sign(rewards[one] - np.array(rewards)))
    if len(set(rewards)) > 1:
        assert np.std(shaped(rewards, "z-scores")) == pytest.approx(1)
