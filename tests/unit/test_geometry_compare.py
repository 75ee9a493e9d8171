"""Across runs: masks against independence, updates against each other, methods against seeds."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.geometry.compare import (
    Run,
    against_seeds,
    agreement,
    consensus,
    cosine,
    jaccard,
    pairwise,
    update_angles,
)
from rlvr_bench.geometry.nulls import null_update
from rlvr_bench.geometry.packed_masks import expected_jaccard


def random_mask(density: float, seed: int, shape: tuple[int, int] = (200, 300)) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < density


def noise(seed: int, rows: int = 30, columns: int = 40) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1))
def test_jaccard_is_that_of_sets(entries: list[tuple[bool, bool]]) -> None:
    first, second = ({i for i, pair in enumerate(entries) if pair[side]} for side in (0, 1))
    got = jaccard(torch.tensor([a for a, _ in entries]), torch.tensor([b for _, b in entries]))
    assert got == (len(first & second) / len(first | second) if first | second else None)


def test_independent_masks_meet_their_baseline() -> None:
    p, q = 0.3, 0.6
    assert expected_jaccard(p, q) == pytest.approx(p * q / (p + q - p * q))
    assert jaccard(random_mask(p, 1), random_mask(q, 2)) == pytest.approx(expected_jaccard(p, q), abs=0.01)
    assert expected_jaccard(0.0, 0.0) is None


def test_the_published_baselines_follow() -> None:
    """Two changed masks of the densities of arXiv 2511.08567, table 2: equal densities give E[J] = p / (2 - p)."""
    assert expected_jaccard(0.6014, 0.6014) == pytest.approx(0.430, abs=5e-4)


def test_consensus_of_independent_runs_is_poisson_binomial() -> None:
    densities = [0.2, 0.5, 0.9]
    found = consensus([random_mask(p, seed) for seed, p in enumerate(densities)])
    wanted = np.zeros(4)
    for outcome in itertools.product((0, 1), repeat=3):
        wanted[sum(outcome)] += math.prod(p if o else 1 - p for o, p in zip(outcome, densities, strict=True))
    assert found.independent == pytest.approx(wanted, abs=0.01)
    assert found.observed == pytest.approx(wanted, abs=0.01)
    assert sum(found.independent) == pytest.approx(1) and sum(found.observed) == pytest.approx(1)
    same = consensus([random_mask(0.5, 0)] * 3)
    assert same.observed[1] == same.observed[2] == 0.0


def test_an_update_agrees_with_itself_and_not_with_its_opposite() -> None:
    base, update = noise(0), 0.1 * noise(1)
    found = agreement(base, update, update, k=3)
    assert found.jaccard == found.of_first == found.of_second == 1.0
    assert found.cosine == pytest.approx(1.0) and found.angle_max_deg == pytest.approx(0, abs=1e-6)
    assert cosine(update, -update) == pytest.approx(-1.0)
    nothing = agreement(base, update, torch.zeros_like(update), k=3)
    assert nothing.jaccard == 0.0 and nothing.expected == 0.0
    assert nothing.cosine is nothing.angle_max_deg is nothing.of_second is None


def test_update_angles_are_those_of_scipy() -> None:
    first, second = noise(2), noise(3)
    wanted = []
    for one, other in ((first, second), (first.T, second.T)):
        u, v = (np.linalg.svd(m.numpy())[0][:, :4] for m in (one, other))
        wanted += np.degrees(scipy.linalg.subspace_angles(u, v)).tolist()
    assert update_angles(first, second, 4).numpy() == pytest.approx(np.array(wanted), abs=1e-6)


def test_bf16_alone_makes_unrelated_updates_agree() -> None:
    """Why agreement needs the null too: two isotropic updates share the small weights, far above independence."""
    base = noise(4, 200, 200)
    updates = [null_update("isotropic", 1e-3 * noise(5, 200, 200), "w", seed, 0) for seed in (0, 1)]
    found = agreement(base, *updates, k=4)
    assert found.excess > 0.05 and abs(found.cosine) < 0.02


def test_methods_are_set_against_seeds() -> None:
    base, shared = noise(6), noise(7)
    updates = {Run("full", seed): shared + 0.5 * noise(10 + seed) for seed in (0, 1)}
    updates |= {Run("lora", seed): 0.2 * shared + 0.5 * noise(20 + seed) for seed in (0, 1)}
    updates |= {Run("alone", 0): noise(30)}
    pairs = pairwise(base, updates, k=4)
    assert len(pairs) == 10
    cosines = {runs: found.cosine for runs, found in pairs.items()}
    found = against_seeds(cosines)
    assert found.keys() == {("full", "lora")}
    own = [cosines[Run(m, 0), Run(m, 1)] for m in ("full", "lora")]
    across = [cosines[Run("full", a), Run("lora", b)] for a in (0, 1) for b in (0, 1)]
    assert found["full", "lora"].within == pytest.approx(np.mean(own))
    assert found["full", "lora"].between == pytest.approx(np.mean(across))
    assert found["full", "lora"].ratio == pytest.approx(np.mean(across) / np.mean(own))
