"""Claims at declared looks: what is separated, equivalent or open, and that no claim is ever taken back."""

import numpy as np
import pytest

from rlvr_bench.stats.looks import LOOKS, Decision, PairState, Runs, decide, holm, next_look


def runs(seeds: int, accuracy: float, spread: float, seed: int, problems: int = 200) -> Runs:
    rng = np.random.default_rng(seed)
    by_seed = accuracy + spread * rng.normal(size=(seeds, 1))
    return Runs.all_sound(np.clip(by_seed + 0.02 * rng.normal(size=(seeds, problems)), 0.0, 1.0))


def test_looks_come_in_order() -> None:
    assert [next_look(seeds) for seeds in (0, 4, 5, 7, 10, 20, 39, 40, 50)] == [5, 5, 10, 10, 20, 40, 40, None, None]


def test_before_the_first_look_nothing_is_claimed() -> None:
    decision = decide({"one": runs(4, 0.9, 0.01, 0), "other": runs(4, 0.1, 0.01, 1)})
    assert decision == Decision(None, {}, frozenset(), {})


def test_a_large_difference_is_separated_and_none_is_equivalent() -> None:
    scores = {"best": runs(10, 0.9, 0.005, 0), "twin": runs(10, 0.9, 0.005, 1), "worst": runs(10, 0.3, 0.005, 2)}
    decision = decide(scores)
    assert decision.look == 10
    assert decision.pairs == {
        ("best", "twin"): PairState.EQUIVALENT,
        ("best", "worst"): PairState.SEPARATED,
        ("twin", "worst"): PairState.SEPARATED,
    }
    assert decision.may_be_best == {"best", "twin"}
    assert set(decision.p_values) == set(decision.pairs)


def test_a_look_uses_the_first_seeds_only() -> None:
    scores = {"one": runs(7, 0.6, 0.03, 0), "other": runs(9, 0.5, 0.03, 1)}
    first = {name: Runs.all_sound(one.outcomes[:5]) for name, one in scores.items()}
    assert decide(scores) == decide(first) and decide(first).look == 5


def test_claims_are_never_revoked() -> None:
    early, late = runs(5, 0.9, 0.003, 0), runs(5, 0.1, 0.003, 1)
    turned = np.concatenate([early.outcomes, late.outcomes])
    scores = {"turned": Runs.all_sound(turned), "steady": runs(10, 0.5, 0.003, 2)}
    assert decide(scores).pairs["steady", "turned"] is PairState.SEPARATED
    assert "steady" not in decide(scores).may_be_best
    later = {"one": runs(10, 0.5, 0.2, 3), "other": runs(10, 0.5, 0.2, 4)}
    claimed = Decision(5, {("one", "other"): PairState.SEPARATED}, frozenset({"one"}), {("one", "other"): 0.001})
    decision = decide(later, earlier=claimed)
    assert decision.pairs == claimed.pairs and decision.may_be_best == {"one"} and decision.look == 10


def test_a_closed_method_needs_no_more_seeds() -> None:
    scores = {"far": runs(5, 0.1, 0.003, 0), "one": runs(40, 0.60, 0.02, 1), "other": runs(40, 0.63, 0.02, 2)}
    decision = decide(scores)
    assert decision.look == 40
    assert decision.pairs["far", "one"] is decision.pairs["far", "other"] is PairState.SEPARATED
    assert "far" not in decision.may_be_best


def test_broken_runs_count_for_the_look_but_not_for_the_accuracy() -> None:
    whole = runs(5, 0.7, 0.01, 0)
    broken = Runs(whole.outcomes[[0, 2, 4]], (0, 2, 4), 5)
    sound = broken.at(5)
    assert broken.look == 5 and sound is not None and len(sound) == 3
    few = Runs(whole.outcomes[:2], (1, 3), 5)
    decision = decide({"few": few, "one": whole, "other": runs(5, 0.7, 0.01, 1)})
    assert set(decision.pairs) == {("one", "other")} and "few" not in decision.may_be_best


def test_the_base_stands_at_every_look() -> None:
    base = Runs.untrained(np.full((1, 200), 0.2) + 0.01 * np.random.default_rng(0).normal(size=(1, 200)))
    decision = decide({"base": base, "one": runs(20, 0.8, 0.02, 1)})
    assert decision.look == 20 and decision.pairs == {("base", "one"): PairState.SEPARATED}
    assert decide({"base": base}).look is None


def test_holm_counts_hypotheses_without_a_p_value() -> None:
    p_values = [(0.04, ("a", "c")), (0.001, ("a", "b")), (0.02, ("b", "c"))]
    assert holm(p_values, 3, 0.05) == [("a", "b"), ("b", "c"), ("a", "c")]
    assert holm(p_values, 5, 0.05) == [("a", "b")]
    assert holm(p_values, 60, 0.05) == []


def test_a_margin_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="above 0"):
        decide({}, margin=0.0)
    assert LOOKS == (5, 10, 20, 40)
