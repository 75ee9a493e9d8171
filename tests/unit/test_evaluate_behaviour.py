"""Strategies before and after training, and what changing them gained."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rlvr_bench.evaluate.behaviour import behaviour, greedy_rows
from rlvr_bench.record.behaviour import Behaviour

TEXTS = ["7*3=1 #### 1", "#### 1", "", "use python \\boxed{1}", "so we add all of the numbers"]


def rows(answers: list[tuple[str, bool]]) -> list[dict[str, Any]]:
    return [
        {
            "task": "chain",
            "split": "test",
            "problem_id": str(number),
            "temperature": 0.0,
            "completion": text,
            "correct": correct,
            "tokens": len(text),
        }
        for number, (text, correct) in enumerate(answers)
    ]


BEFORE = [("#### 1", False), ("#### 1", True), ("1+0=1 #### 1", True), ("1+0=1 #### 1", False), ("#### 1", False)]
AFTER = [("1+0=1 #### 1", True), ("#### 1", True), ("1+0=1 #### 1", True), ("#### 2", True), ("1+0=1 #### 1", True)]


def test_a_hand_made_case() -> None:
    found = behaviour(rows(BEFORE), rows(AFTER), "test")
    worked = found.transitions["worked"]
    assert {change: (part.problems, part.gained) for change, part in worked.items()} == {
        "with-with": (1, 0),
        "with-without": (1, 1),
        "without-with": (2, 2),
        "without-without": (1, 0),
    }
    assert found.contributions("worked") == pytest.approx(
        {"with-with": 0, "with-without": 1 / 3, "without-with": 2 / 3, "without-without": 0}
    )
    use = found.base.strategies["worked"]
    assert (use.frequency, use.accuracy_with, use.accuracy_without) == pytest.approx((0.4, 0.5, 1 / 3))
    assert found.tuned.strategies["worked"].frequency == 0.6
    assert (found.base.length_right, found.tuned.length_wrong) == (9.0, None)
    assert set(found.transitions) == {"worked", "direct"}


@given(st.lists(st.tuples(*[st.sampled_from(TEXTS), st.booleans()] * 2), min_size=1), st.integers())
def test_the_parts_add_up_to_the_gain_exactly(answers: list[tuple[str, bool, str, bool]], seed: int) -> None:
    random.Random(seed).shuffle(answers)
    before = rows([(text, correct) for text, correct, _, _ in answers])
    after = rows([(text, correct) for _, _, text, correct in answers])
    found = behaviour(before, after, "test")
    gain = sum(row["correct"] for row in after) - sum(row["correct"] for row in before)
    for name, parts in found.transitions.items():
        assert sum(part.gained for part in parts.values()) == gain
        assert sum(part.problems for part in parts.values()) == len(answers)
        shares = found.contributions(name)
        assert shares is None if gain == 0 else sum((shares or {}).values()) == pytest.approx(1)
    assert Behaviour.model_validate_json(found.model_dump_json()) == found


def test_answers_to_different_problems_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different problems"):
        behaviour(rows(BEFORE), rows(AFTER[:-1]), "test")


def test_parts_that_do_not_add_up_are_refused() -> None:
    document = behaviour(rows(BEFORE), rows(AFTER), "test").model_dump()
    document["transitions"]["worked"]["with-with"]["gained"] = 1
    with pytest.raises(ValidationError, match="different gains"):
        Behaviour.model_validate(document)


def test_only_greedy_answers_to_the_split_count() -> None:
    (first, *others) = rows(AFTER)
    mixed = [first, first | {"temperature": 1.0}, first | {"split": "validation"}, first | {"task": "sums"}, *others]
    assert greedy_rows(mixed, "chain", "test") == [first, *others]
