"""How often a comparison claims what is not so, in simulations of methods that are equal in truth.

The looks are made here by an implementation of their own, thousands of tables at a time; that it agrees with `decide`
is a test. RANKING_SIMULATIONS=10 repeats every simulation ten times as often.
"""

import os
from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import chdtri, ndtri, stdtr

from rlvr_bench.stats.anytime import anytime_claims, log_e_value
from rlvr_bench.stats.bounded import bounded_p_value
from rlvr_bench.stats.comparison import BORROWED_DF, LARGEST_CORRECTED_T, LARGEST_SPREAD
from rlvr_bench.stats.looks import ALPHA, LOOKS, MIN_SOUND, PairState, Runs, decide

TABLES = 300 * int(os.environ.get("RANKING_SIMULATIONS", "1"))
MOST = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / TABLES)
"""Share of tables with a false claim that a procedure which holds 5 % exceeds once in 700 repetitions."""

Draw = Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]


def spreads(*ends: float) -> Draw:
    """Return normal seeds whose standard deviations go from the first to the last, in equal ratios."""
    return lambda rng, size: np.geomspace(ends[0], ends[-1], size[1])[:, None] * rng.normal(size=size)


def one_wide(rng: np.random.Generator, size: tuple[int, int, int]) -> np.ndarray:
    wide = np.where(np.arange(size[1]) == 0, 0.39, 0.007)
    return np.asarray(wide[:, None] * rng.normal(size=size))


SHAPES: dict[str, Draw] = {
    "one spread": spreads(0.02),
    "spreads of 0.7 to 39 points": spreads(0.007, 0.39),
    "one wide method": one_wide,
    "skewed": lambda rng, size: 0.02 * (rng.exponential(size=size) - 1),
    "log-normal": lambda rng, size: 0.02 * (np.exp(0.8 * rng.normal(size=size)) - np.exp(0.32)),
    "heavy tails": lambda rng, size: 0.02 * rng.standard_t(3, size=size),
    "uniform": lambda rng, size: 0.1 * (rng.random(size) - 0.5),
    "skewed to either side": lambda rng, size: (
        0.02 * np.where(np.arange(size[1]) % 2, -1, 1)[:, None] * (rng.exponential(size=size) - 1)
    ),
    "at both ends": lambda rng, size: rng.beta(0.3, 0.3, size=size) - 0.5,
}
"""Deviations of seeds from the mean that all methods share."""


def claims(values: np.ndarray, sound: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return p-values and tested pairs' thresholds of each look, shape (looks, tables, pairs).

    Args:
        values: accuracies, shape (tables, methods, seeds); `sound`: which runs are, same shape.
    """
    sound = np.ones(values.shape, dtype=bool) if sound is None else sound
    one, other = np.triu_indices(values.shape[1], 1)
    p_values, gaps = [], []
    for look in LOOKS:
        known = sound[..., :look]
        n = known.sum(axis=2)
        used = n >= MIN_SOUND
        count = np.where(used, n, 3)
        mean = np.where(known, values[..., :look], 0).sum(axis=2) / count
        centred = np.where(known, values[..., :look] - mean[..., None], 0)
        square = (centred**2).sum(axis=2) / (count - 1)
        third = (centred**3).sum(axis=2) / ((count - 1) * (count - 2) * count)
        square, df = borrowed(np.where(used, square, np.nan), count - 1.0)
        variance = square / count
        total = variance[:, one] + variance[:, other]
        pooled = total**2 / (variance[:, one] ** 2 / df[:, one] + variance[:, other] ** 2 / df[:, other])
        gap = mean[:, one] - mean[:, other]
        t, skewness = gap / np.sqrt(total), (third[:, one] - third[:, other]) / total**1.5
        near = np.clip(t, -LARGEST_CORRECTED_T, LARGEST_CORRECTED_T)
        hall = near + skewness * near**2 / 3 + skewness**2 * near**3 / 27 + skewness / 6
        t = np.abs(t) - np.abs(near) + np.where(hall * near > 0, np.minimum(np.abs(hall), np.abs(near)), 0.0)
        tested = used[:, one] & used[:, other]
        p_values.append(np.where(tested, 2 * stdtr(pooled, -t), 1.0))
        gaps.append(gap)
    return np.array(p_values), np.array(gaps)


def borrowed(square: np.ndarray, df: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = ~np.isnan(square)
    weight = BORROWED_DF * np.maximum(1 - 2 / np.maximum(known.sum(axis=1, keepdims=True), 2), 0.0)
    typical = np.nanmedian(square * df / chdtri(df, 0.5), axis=1, keepdims=True)
    capped = np.where(known, np.minimum(square, LARGEST_SPREAD * typical), 0.0)
    shared = (capped * df).sum(axis=1, keepdims=True) / (known * df).sum(axis=1, keepdims=True)
    return (weight * shared + df * square) / (weight + df), weight + df


def falsely_separated(p_values: np.ndarray) -> np.ndarray:
    """Return which tables claim a difference at some look, shape (tables,): Holm's first step decides that."""
    return np.asarray((p_values.min(axis=2) <= ALPHA / len(LOOKS) / p_values.shape[2]).any(axis=0))


def first_is_excluded(p_values: np.ndarray, gaps: np.ndarray, methods: int) -> np.ndarray:
    """Return in which tables the first method is claimed not to be the best, shape (tables,)."""
    beaten = (p_values / 2 * (methods - 1) <= ALPHA / len(LOOKS)) & (gaps < 0)
    return np.asarray(beaten[..., : methods - 1].any(axis=(0, 2)))


@pytest.mark.parametrize("methods", [8, 20])
@pytest.mark.parametrize("shape", SHAPES)
def test_over_all_looks_few_comparisons_make_a_false_claim(shape: str, methods: int) -> None:
    p_values, gaps = claims(SHAPES[shape](np.random.default_rng(methods), (TABLES, methods, LOOKS[-1])))
    assert falsely_separated(p_values).mean() <= MOST
    assert first_is_excluded(p_values, gaps, methods).mean() <= MOST


@pytest.mark.parametrize("rivals", [1, 5])
@pytest.mark.parametrize("mean", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("spread", [0.0, 0.2, 1.0])
def test_equal_bounded_means_seldom_have_a_small_p_value(spread: float, mean: float, rivals: int) -> None:
    """Seeds at 0 and 1, where a bet on bounded means can lose most, and seeds between; against a known mean, too."""
    rng = np.random.default_rng(0)

    def draw(seeds: int) -> np.ndarray:
        if spread == 1.0:
            return np.asarray(rng.random(seeds) < mean, dtype=np.float64)
        size = 1 / max(spread, 0.01) ** 2 - 1
        return rng.beta(mean * size, (1 - mean) * size, size=seeds)

    p_values = np.empty(20 * TABLES)
    for table in range(len(p_values)):
        one, other = draw(5), np.array([mean]) if rivals == 1 else draw(rivals)
        better, worse = (one, other) if one.mean() >= other.mean() else (other, one)
        p_values[table] = bounded_p_value(better, worse, 0.0)
    for alpha in (0.05, 0.005):
        assert (p_values <= alpha).mean() <= alpha + 3 * np.sqrt(alpha / len(p_values))


@pytest.mark.parametrize("rows", [2, 8, 20])
def test_a_row_far_above_its_base_is_separated_from_it_though_its_seeds_are_skewed(rows: int) -> None:
    """At 90 % with a tail down to 76 %, where the unbounded correction leaves a quarter of the t."""
    rng = np.random.default_rng(0)
    seeds = np.array([1.0, 0.966, 0.954, 0.819, 0.76])
    scores = {"row": Runs.all_sound((rng.random((5, 4096)) < seeds[:, None]).astype(np.float64))}
    scores["base"] = Runs.untrained((rng.random((1, 4096)) < 0.1025).astype(np.float64))
    for other in range(rows - 2):
        shares = 0.5 + 0.1 * rng.normal(size=(5, 1))
        scores[f"other {other}"] = Runs.all_sound((rng.random((5, 4096)) < shares).astype(np.float64))
    assert decide(scores).pairs["base", "row"] is PairState.SEPARATED


@pytest.mark.parametrize("methods", [8, 20])
@pytest.mark.parametrize("dies", [0.05, 0.1, 0.25, 0.4])
def test_runs_that_die_make_no_false_claims(dies: float, methods: int) -> None:
    """Half of the methods lose a share of their seeds, and are as good as the others where they do not."""
    rng = np.random.default_rng(methods)
    size = (TABLES, methods, LOOKS[-1])
    mortal = (np.arange(methods) % 2 == 0)[:, None]
    sound = (rng.random(size) >= dies) | ~mortal
    values = np.where(sound, 0.6 + 0.02 * rng.normal(size=size), 0.2 * rng.random(size))
    assert falsely_separated(claims(values, sound)[0]).mean() <= MOST


def test_taken_as_one_heap_runs_that_die_make_many() -> None:
    """Why accuracy is compared given that a run is sound: equal means, of which half come from dying runs."""
    rng = np.random.default_rng(0)
    size = (TABLES, 8, LOOKS[-1])
    dying = np.where(rng.random(size) < 0.25, 0.0, 0.8)
    mortal = (np.arange(8) % 2 == 0)[:, None]
    values = np.where(mortal, dying, 0.6) + 0.01 * rng.normal(size=size)
    assert falsely_separated(claims(values)[0]).mean() > 0.2


def test_one_method_that_is_worse_costs_the_others_nothing() -> None:
    rng = np.random.default_rng(0)
    values = 0.02 * rng.normal(size=(TABLES, 8, LOOKS[-1]))
    values[:, -1] -= 0.5
    p_values, _ = claims(values)
    _, second = np.triu_indices(8, 1)
    equal = p_values[..., second < 7]
    # The seven pairs with the bad method are separated at once in nearly all tables, so that Holm has 21 left.
    assert (p_values[0][:, second == 7] <= ALPHA / 4 / 28).mean() > 0.98
    assert (equal.min(axis=2) <= ALPHA / len(LOOKS) / equal.shape[2]).any(axis=0).mean() <= MOST


def test_looking_at_every_seed_count_with_plain_letters_makes_many_false_claims_and_ours_does_not() -> None:
    tables, methods = TABLES, 8
    rng = np.random.default_rng(1)
    values = 0.02 * rng.normal(size=(tables, methods, LOOKS[-1]))
    one, other = np.triu_indices(methods, 1)
    plain = np.zeros(tables, dtype=bool)
    for seeds in range(LOOKS[0], LOOKS[-1] + 1):
        known = values[..., :seeds]
        variance = known.var(axis=2, ddof=1) / seeds
        gap = known.mean(axis=2)[:, one] - known.mean(axis=2)[:, other]
        t = np.abs(gap) / np.sqrt(variance[:, one] + variance[:, other])
        plain |= (2 * stdtr(2 * (seeds - 1), -t)).min(axis=1) <= ALPHA / len(one)
    no_problems = np.zeros((len(one), LOOKS[-1]))
    between = [anytime_claims(one, other, table, no_problems, ALPHA).separated.any() for table in values]
    ours = falsely_separated(claims(values)[0]) | np.array(between)
    assert plain.mean() >= 0.12
    assert ours.mean() <= MOST


def test_equivalence_at_the_margin_is_seldom_claimed() -> None:
    """Methods in two groups whose difference is the margin itself: no pair across them is equivalent."""
    rng = np.random.default_rng(2)
    false = 0
    tables = max(TABLES // 6, 40)
    for _ in range(tables):
        scores = {
            str(name): Runs.all_sound(
                0.6 + 0.03 * (name % 2) + 0.01 * rng.normal(size=(20, 1)) + 1e-4 * rng.normal(size=(20, 400))
            )
            for name in range(6)
        }
        pairs = decide(scores).pairs
        false += any(
            state is PairState.EQUIVALENT and int(one) % 2 != int(other) % 2 for (one, other), state in pairs.items()
        )
    assert false / tables <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / tables)


def test_these_looks_are_those_of_decide() -> None:
    rng = np.random.default_rng(5)
    for trial in range(6):
        values = 0.5 + np.linspace(0, 0.06, 5)[:, None] + 0.02 * (rng.exponential(size=(5, 20)) - 1)
        sound = rng.random((5, 20)) >= 0.2
        scores = {
            str(name): Runs(np.repeat(one[ok, None], 3000, axis=1), tuple(np.flatnonzero(ok)), 20)
            for name, (one, ok) in enumerate(zip(values, sound, strict=True))
        }
        decision = decide(scores)
        padded = np.concatenate([values, values], axis=1)[None]
        p_values, _ = claims(padded, np.concatenate([sound, np.zeros_like(sound)], axis=1)[None])
        for place, (one, other) in enumerate(zip(*np.triu_indices(5, 1), strict=True)):
            if (str(one), str(other)) in decision.p_values:
                assert decision.p_values[str(one), str(other)] == pytest.approx(p_values[2, 0, place], rel=0.1), trial


def test_an_e_value_is_one_on_average_and_seldom_large_at_any_time() -> None:
    values = np.random.default_rng(0).normal(size=(20_000, 60))
    n = np.arange(1, 61.0)
    mean = values.cumsum(axis=1) / n
    variance = ((values**2).cumsum(axis=1) - n * mean**2)[:, 1:] / (n[1:] - 1)
    e = np.exp(log_e_value(mean[:, 1:] / np.sqrt(variance / n[1:]), np.broadcast_to(n[1:], variance.shape)))
    assert e[:, :4].mean(axis=0) == pytest.approx(1, abs=0.05)
    assert (e.max(axis=1) >= 1 / ALPHA).mean() <= ALPHA


@pytest.mark.parametrize(("t", "n"), [(0.0, 2), (2.3, 7), (-2.3, 7), (6.0, 12)])
def test_an_e_value_is_the_likelihood_ratio_of_its_t(t: float, n: int) -> None:
    """Of t under standardised means that are standard normal, against a mean of 0."""
    from scipy import integrate, stats

    mixed, _ = integrate.quad(lambda d: stats.nct.pdf(t, n - 1, d * np.sqrt(n)) * stats.norm.pdf(d), -8, 8)
    assert np.exp(log_e_value(np.array(t), np.array(float(n)))) == pytest.approx(mixed / stats.t.pdf(t, n - 1))


def test_seeds_between_the_looks_are_claimed_by_the_e_process_and_problems_are_taken_off_first() -> None:
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(1, 4000))
    ranks = ndtri((np.arange(19) + 0.5) / 19)
    runs = [0.5 + 0.02 * rng.permutation(ranks)[:, None] + 0.01 * shared for _ in range(2)]
    apart = {"one": Runs.all_sound(runs[0] + 0.025), "other": Runs.all_sound(runs[1])}
    at_look = {name: Runs.all_sound(one.outcomes[:10]) for name, one in apart.items()}
    assert decide(at_look).pairs["one", "other"] is PairState.OPEN
    decision = decide(apart)
    assert decision.pairs["one", "other"] is PairState.SEPARATED and decision.may_be_best == {"one"}
    own = 2 * rng.normal(size=(1, 4000))
    noisy = {"one": Runs.all_sound(runs[0] + 0.025 + own - own.mean()), "other": apart["other"]}
    assert decide(noisy).pairs["one", "other"] is PairState.OPEN
