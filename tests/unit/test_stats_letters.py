"""Letters: two names share one exactly when they are not significantly different, whatever the relation is."""

import random

from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.stats.letters import letters


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.floats(0, 1))
def test_letters_say_exactly_what_is_told_apart(seed: int, count: int, share: float) -> None:
    rng = random.Random(seed)
    order = [str(i) for i in range(count)]
    apart = {(a, b): rng.random() < share for place, a in enumerate(order) for b in order[place + 1 :]}
    found = letters(order, lambda better, worse: apart[better, worse])
    for (one, other), told in apart.items():
        assert bool(set(found[one]) & set(found[other])) is not told
    assert all(found.values()) and "a" in found[order[0]]


def test_a_name_in_between_carries_both() -> None:
    assert letters(["x", "y", "z"], lambda a, b: (a, b) == ("x", "z")) == {"x": "a", "y": "ab", "z": "b"}


def test_letters_of_nothing() -> None:
    assert letters([], lambda a, b: True) == {}
