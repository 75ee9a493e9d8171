import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import polar

from rlvr_bench.methods.spectral.polar import ROUNDED, polar_factor


@settings(max_examples=60, deadline=None)
@given(
    columns=st.integers(1, 12),
    extra=st.integers(0, 12),
    step=st.sampled_from([0.0, 1e-6, 1e-3, 0.05, 0.3, 3.0]),
    seed=st.integers(0, 1000),
)
def test_it_is_scipys_polar_factor_near_and_far_from_orthonormal(columns, extra, step, seed):
    generator = np.random.default_rng(seed)
    frame = np.linalg.qr(generator.normal(size=(columns + extra, columns)))[0]
    moved = frame + step * generator.normal(size=frame.shape)
    if np.linalg.svd(moved, compute_uv=False)[-1] < 1e-3:
        return  # nearly singular: the factor is not well determined
    got = polar_factor(torch.from_numpy(moved)).numpy()
    np.testing.assert_allclose(got, polar(moved)[0], atol=1e-9)
    np.testing.assert_allclose(got.T @ got, np.eye(columns), atol=1e-11)


def test_scaling_by_a_constant_is_undone():
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(9, 4)))[0]
    for factor in (0.5, 0.97, 1.02, 7.0):
        np.testing.assert_allclose(polar_factor(torch.from_numpy(factor * frame)).numpy(), frame, atol=1e-11)


def test_the_result_is_float64_and_the_input_stays():
    frame = torch.linalg.qr(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)))[0] + 0.01
    before = frame.clone()
    assert polar_factor(frame).dtype == torch.float64
    assert torch.equal(frame, before)


def test_a_frame_that_is_not_finite_ends_at_once():
    assert not torch.isfinite(polar_factor(torch.full((4, 2), torch.nan))).any()


def test_an_orthonormal_frame_rounded_to_float32_is_returned_bit_for_bit():
    generator = np.random.default_rng(2)
    for rows, columns in [(1, 1), (8, 8), (40, 7), (300, 120), (1000, 3)]:
        frame = torch.from_numpy(np.linalg.qr(generator.normal(size=(rows, columns)))[0]).float()
        assert torch.equal(polar_factor(frame, ROUNDED).float(), frame)
    moved = frame + 1e-5 * torch.randn(frame.shape, generator=torch.Generator().manual_seed(0))
    assert not torch.equal(polar_factor(moved, ROUNDED).float(), moved)


@pytest.mark.parametrize("step", [1e-4, 1e-2])
def test_it_is_the_nearest_orthonormal_matrix(step):
    generator = np.random.default_rng(1)
    moved = np.linalg.qr(generator.normal(size=(8, 5)))[0] + step * generator.normal(size=(8, 5))
    nearest = polar_factor(torch.from_numpy(moved)).numpy()
    for _ in range(50):
        turn = np.linalg.qr(np.eye(8) + 0.01 * generator.normal(size=(8, 8)))[0]
        assert np.linalg.norm(moved - nearest) <= np.linalg.norm(moved - turn @ nearest) + 1e-12
