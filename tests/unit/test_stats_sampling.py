"""Sampling metrics against exhaustive enumeration."""

from itertools import combinations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.stats.sampling import answer_entropy, average_at_k, majority, majority_at_k, pass_at_k


@given(samples=st.integers(1, 9), data=st.data())
def test_pass_at_k_is_the_share_of_subsets_with_a_correct_completion(samples: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, samples))
    correct = data.draw(st.integers(0, samples))
    subsets = list(combinations([index < correct for index in range(samples)], k))
    expected = sum(any(subset) for subset in subsets) / len(subsets)
    assert pass_at_k(np.array([correct]), samples, k)[0] == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=20))
def test_pass_at_1_is_avg_at_k(counts: list[int]) -> None:
    array = np.array(counts)
    assert pass_at_k(array, 8, 1).mean() == pytest.approx(average_at_k(array, 8))


@pytest.mark.parametrize("k", [0, 5])
def test_pass_at_k_refuses_k_outside_the_samples(k: int) -> None:
    with pytest.raises(ValueError, match=r"choose k in 1\.\.4"):
        pass_at_k(np.array([1]), 4, k)


@pytest.mark.parametrize(
    ("answers", "index"),
    [
        (["1", "2", "2"], 1),
        (["2", "1", "1", "2"], 0),  # a tie: the answer that came first
        ([None, None, "7"], 2),  # unparsed completions do not vote
        ([None, None], None),
        ([], None),
    ],
)
def test_majority_rule(answers: list[str | None], index: int | None) -> None:
    assert majority(answers) == index


def test_majority_counts_problems_without_an_answer_as_wrong() -> None:
    answers = [["1", "1", "2"], [None, None, None], ["3", "4", "4"]]
    correct = [[True, True, False], [False] * 3, [True, False, False]]
    assert majority_at_k(answers, correct) == pytest.approx(1 / 3)


def test_answer_entropy_against_scipy() -> None:
    answers = [["1", "2", "1", None], ["3", "3", "3", "3"], [None, None, None, None]]
    expected = [scipy.stats.entropy([2, 1, 1]), 0.0, 0.0]
    assert answer_entropy(answers) == pytest.approx(sum(expected) / 3)
