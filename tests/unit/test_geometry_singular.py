"""Singular values and subspaces: the cheap ways against LAPACK's SVD, and the cache."""

import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch
from geometry_reference import matrix

from rlvr_bench.geometry import svd_cache
from rlvr_bench.geometry.angles import principal_angles
from rlvr_bench.geometry.singular import (
    SUBSPACE_TOLERANCE,
    decompose,
    krylov,
    leading,
    left_vectors,
    singular_values,
    subspaces,
)
from rlvr_bench.geometry.svd_cache import cached_decomposition

SHAPES = [(30, 50), (50, 30), (40, 40)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("smallest", [1e-1, 1e-4, 1e-9, 0.0])
def test_singular_values_are_those_of_the_svd(shape: tuple[int, int], smallest: float) -> None:
    """Through the Gram matrix where that is exact enough, through the SVD below: 1e-10 of the largest everywhere."""
    side = min(shape)
    values = np.concatenate([np.linspace(3, 1, side - 1), [smallest]])
    made = matrix(*shape, values, seed=1)
    wanted = scipy.linalg.svdvals(made.numpy())
    for got in (singular_values(made), decompose(made).values):
        assert np.abs(got.numpy() - wanted).max() < 1e-10 * wanted[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("smallest", [0.5, 1e-3, 1e-7])
def test_subspaces_are_those_of_the_svd(shape: tuple[int, int], smallest: float) -> None:
    made = matrix(*shape, np.geomspace(1, smallest, min(shape)), seed=2)
    u, _, vt = np.linalg.svd(made.numpy(), full_matrices=False)
    k = 12
    left, right = subspaces(made, decompose(made), k)
    for got, wanted in ((left, u[:, :k]), (right, vt[:k].T)):
        assert torch.allclose(got.T @ got, torch.eye(k, dtype=torch.float64), atol=1e-9)
        assert scipy.linalg.subspace_angles(got.numpy(), wanted).max() < 1e-9
    vectors = left_vectors(made, decompose(made), 3).numpy()
    assert np.abs(np.abs(np.sum(vectors * u[:, :3], axis=0)) - 1).max() < 1e-9


@pytest.mark.parametrize(("rows", "columns"), [(320, 400), (400, 320)])
def test_truncated_subspaces_agree_with_the_exact_ones(rows: int, columns: int) -> None:
    """Within `SUBSPACE_TOLERANCE`, on a spectrum that decays as those of real layers do."""
    base = matrix(rows, columns, np.arange(1, 321) ** -0.5, seed=3)
    noise = torch.randn(rows, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    tuned, k = base + 1e-4 * noise, 6
    start = decompose(base).basis
    gram = tuned @ tuned.T if rows <= columns else tuned.T @ tuned
    assert krylov(gram, torch.linalg.eigvalsh(gram).flip(0), k, start) is not None
    truncated, exact = leading(tuned, k, start), decompose(tuned)
    assert truncated.basis.shape == (320, k) and exact.basis.shape == (320, 320)
    assert torch.allclose(truncated.values, exact.values, atol=1e-12)
    for one, other in zip(subspaces(tuned, truncated, k), subspaces(tuned, exact, k), strict=True):
        assert math.sin(math.radians(float(principal_angles(one, other).max()))) < SUBSPACE_TOLERANCE


def test_a_flat_spectrum_is_left_to_the_exact_method() -> None:
    values = np.linspace(1, 0.2, 320)
    gram = torch.diag(torch.from_numpy(values))
    start = torch.linalg.qr(torch.randn(320, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    assert krylov(gram, torch.from_numpy(values), 16, start) is None


@pytest.mark.parametrize("degrees", [1e-6, 1e-3, 1.0, 44.9, 45.1, 89.0, 90.0])
def test_principal_angles_against_scipy(degrees: float) -> None:
    rng = np.random.default_rng(0)
    basis = scipy.stats.ortho_group.rvs(12, random_state=rng)
    first, other = basis[:, :4], basis[:, 4:8]
    steps = np.radians(np.array([degrees, degrees / 2, 0.0, degrees / 3]))
    second = first * np.cos(steps) + other * np.sin(steps)
    got = principal_angles(torch.from_numpy(first), torch.from_numpy(second)).numpy()
    assert got == pytest.approx(np.sort(np.degrees(steps))[::-1], rel=1e-8, abs=1e-12)
    assert got == pytest.approx(np.degrees(scipy.linalg.subspace_angles(first, second)), abs=1e-5)


def test_a_decomposition_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    made = torch.randn(256, 300, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    first = cached_decomposition(made)
    assert len(list((tmp_path / "svd").iterdir())) == 1
    monkeypatch.setattr(svd_cache, "decompose", lambda _: pytest.fail("decomposed again"))
    for stored in (made, made.float()):  # the same values, however they are stored
        again = cached_decomposition(stored)
        assert torch.equal(again.values, first.values) and torch.equal(again.basis, first.basis)


def test_a_damaged_cache_file_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    made = torch.randn(256, 256, generator=torch.Generator().manual_seed(1))
    first = cached_decomposition(made)
    (file,) = (tmp_path / "svd").iterdir()
    file.write_bytes(file.read_bytes()[:1000])
    assert torch.equal(cached_decomposition(made).values, first.values)


def test_small_matrices_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    cached_decomposition(torch.randn(255, 400))
    assert not (tmp_path / "svd").exists()
