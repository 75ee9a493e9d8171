"""The bootstrap and its tie letters: exactness, pairing, what is told apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.protocol.statistics import Resampled, letters, problem_draws, resampled_mean

generators = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def matrix(seeds: int, problems: int, share: float, seed: int = 0) -> np.ndarray:
    return (np.random.default_rng(seed).random((seeds, problems)) < share).astype(np.float64)


def test_one_seed_is_the_plain_bootstrap_over_problems() -> None:
    outcomes = matrix(1, 40, 0.6)
    draws = problem_draws("a", 40, resamples=50)
    assert (draws.sum(axis=1) == 40).all()
    got = resampled_mean(outcomes, draws, "method")
    for resample in range(50):
        drawn = np.repeat(np.arange(40), draws[resample].astype(int))
        assert got.draws[resample] == outcomes[0, drawn].sum() / 40
    assert got.mean == outcomes.sum() / 40


def test_bootstrap_variance_is_owens() -> None:
    """For crossed factors E*[var] follows from the two-way sums of squares (Owen 2007); check it by its definition."""
    outcomes = matrix(4, 60, 0.5, seed=3)
    got = resampled_mean(outcomes, problem_draws("v", 60, resamples=20000), "m").draws.var()
    centred = outcomes - outcomes.mean()
    rows, columns = centred.sum(axis=1), centred.sum(axis=0)
    size = outcomes.size
    seeds, problems = outcomes.shape
    # Multinomial counts: cov(W_i, W_j) = delta_ij - 1/n, independent between the factors; centred sums are 0.
    expected = ((rows**2).sum() + (columns**2).sum() + (centred**2).sum()) / size**2
    expected -= ((rows**2).sum() / problems + (columns**2).sum() / seeds) / size**2
    assert got == pytest.approx(expected, rel=0.05)


def test_same_key_same_bytes_and_other_key_other_draws() -> None:
    assert problem_draws("a", 10).tobytes() == problem_draws("a", 10).tobytes()
    assert problem_draws("a", 10).tobytes() != problem_draws("b", 10).tobytes()


def test_pairing_takes_the_difficulty_of_problems_out_of_a_difference() -> None:
    difficulty = np.random.default_rng(1).random(200)
    base, tuned = (difficulty < 0.5).astype(np.float64)[None], (difficulty < 0.6).astype(np.float64)[None]
    draws = problem_draws("p", 200)
    paired = (resampled_mean(tuned, draws, "t") - resampled_mean(base, draws, "b")).estimate()
    other = problem_draws("q", 200)
    unpaired = (resampled_mean(tuned, draws, "t") - resampled_mean(base, other, "b")).estimate()
    assert paired.high - paired.low < 0.7 * (unpaired.high - unpaired.low)
    assert paired.low > 0 > unpaired.low


@given(generators, st.integers(1, 5), st.integers(1, 30))
def test_an_interval_holds_its_mean_and_stays_in_range(rng: np.random.Generator, seeds: int, problems: int) -> None:
    outcomes = (rng.random((seeds, problems)) < 0.5).astype(np.float64)
    estimate = resampled_mean(outcomes, problem_draws("r", problems, 300), "m").estimate()
    assert 0 <= estimate.low <= estimate.mean <= estimate.high <= 1


def test_identical_models_have_a_difference_of_exactly_zero() -> None:
    outcomes = matrix(1, 50, 0.4)
    draws = problem_draws("z", 50)
    difference = resampled_mean(outcomes, draws, "a") - resampled_mean(outcomes, draws, "b")
    assert difference.estimate().low == difference.estimate().high == 0.0
    assert not difference.differs_from_zero()


def test_letters_of_a_planted_order_and_a_planted_tie() -> None:
    draws = problem_draws("l", 400)
    shares = {"best": 0.9, "tied": 0.89, "middle": 0.6, "floor": 0.3}
    found = letters({n: resampled_mean(matrix(4, 400, s, i), draws, n) for i, (n, s) in enumerate(shares.items())})
    assert found == {"best": "a", "tied": "a", "middle": "b", "floor": "c"}


def test_a_row_in_between_carries_both_letters() -> None:
    spread = np.linspace(-1.0, 1.0, 400)
    shuffled = np.random.default_rng(0).permutation
    near = {name: Resampled(mean, mean + shuffled(spread)) for name, mean in [("a", 3.0), ("b", 1.8), ("c", 0.6)]}
    assert letters(near) == {"a": "a", "b": "ab", "c": "b"}


@settings(max_examples=60)
@given(generators, st.integers(1, 9))
def test_two_share_a_letter_exactly_when_they_cannot_be_told_apart(rng: np.random.Generator, count: int) -> None:
    models = {str(i): Resampled(mean := rng.random() * 3, mean + rng.normal(size=80) / 2) for i in range(count)}
    found = letters(models)
    for one in models:
        for other in models:
            apart = (models[one] - models[other]).differs_from_zero()
            assert bool(set(found[one]) & set(found[other])) is not apart
    assert all(found.values())
    assert "a" in found[max(models, key=lambda name: models[name].mean)]


def test_letters_of_nothing() -> None:
    assert letters({}) == {}
