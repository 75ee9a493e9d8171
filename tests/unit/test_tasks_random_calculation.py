"""Random calculations against Python's own arithmetic, and the reward for coming close."""

import ast
import operator
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr_bench.tasks import registry, rewards
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.random_calculation import draw_expression
from rlvr_bench.tasks.rewards import RewardContext

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    assert isinstance(node, ast.Constant) and isinstance(node.value, int)
    return Fraction(node.value)


def _parsed(text: str) -> ast.expr:
    return ast.parse(text.replace("^", "**"), mode="eval").body


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 20))
def test_values_are_those_of_the_text(seed: int, operations: int) -> None:
    made = draw_expression(random.Random(seed), operations)
    assert _value(_parsed(made.text)) == made.value
    joins = [part for part in (" + ", " - ", " * ", " / ") for _ in range(made.text.count(part))]
    assert len(joins) == operations


def test_levels_take_turns_and_splits_share_no_problem() -> None:
    task = registry.create({"name": "random-calculation", "levels": [2, 5], "train": 20, "test": 20})
    assert [problem.level for problem in task.problems("train")] == [2, 5] * 10
    assert not {p.id for p in task.problems("train")} & {p.id for p in task.problems("test")}
    with pytest.raises(TaskError, match="no level 21: choose from 1 to 20"):
        registry.create({"name": "random-calculation", "levels": [21]})


@pytest.mark.parametrize(
    ("completion", "correct"),
    [
        ("so \\boxed{16607/5}", True),
        ("The answer is 3321.4", True),
        ("#### 3321.3995", True),
        ("3321.5", False),
        ("", False),
    ],
)
def test_answers_are_compared_as_numbers(completion: str, correct: bool) -> None:
    task = registry.create({"name": "random-calculation"})
    assert task.verify(completion, Problem("", "16607/5", "random-calculation")).correct == correct


@pytest.mark.parametrize(
    ("answer", "gold", "paid"),
    [
        ("10", "10", 1.0),
        ("10.5", "10", 1 - 0.5 * 0.5 - 0.5 * 0.5 / 10.000001),
        ("12", "10", 0.5 - 0.5 * 2 / 10.000001),
        ("1000", "10", 0.0),
        ("-1", "0", 0.0),
        ("1/2", "0", 0.25),
        ("none", "10", 0.0),
    ],
)
def test_closeness_is_the_published_formula(answer: str, gold: str, paid: float) -> None:
    task = registry.create({"name": "random-calculation"})
    problem = Problem("", gold, "random-calculation")
    completion = f"\\boxed{{{answer}}}"
    context = RewardContext(task, 0, 0, [0], [task.verify(completion, problem)], [False])
    assert rewards.create("closeness")([completion], [problem], context) == [pytest.approx(paid, abs=1e-9)]
