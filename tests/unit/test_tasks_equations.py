"""Equations in text: a true one states its result, a false one nothing, and arithmetic is bounded."""

import operator
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.verifiers import arithmetic
from rlvr_bench.tasks.verifiers.numerals import (
    last_number,
    parse_number,
    stated_number,
)

OPERATORS = {"+": operator.add, "-": operator.sub, r"\times": operator.mul, "*": operator.mul, "x": operator.mul}


@given(st.integers(0, 999), st.sampled_from(sorted(OPERATORS)), st.integers(0, 999), st.integers(-3, 3))
def test_a_sum_states_what_it_comes_to_and_nothing_else(left: int, sign: str, right: int, slip: int) -> None:
    result = OPERATORS[sign](left, right) + slip
    for text in (f"{left} {sign} {right} = {result}", f"n = {left} {sign} {right} = {result}"):
        assert parse_number(text) == stated_number(text) == (None if slip else result)
        assert last_number(f"Hence {text}.") == (None if slip else result)


@pytest.mark.parametrize(
    "text",
    [
        "3+1=5",
        "so 3+1=5",
        "2(1+1)=5",
        "2^2=5",
        r"\frac{6}{2}=5",
        "10/5=5",
        "4=5",
        "n = 3*2 = 5",
        "$3 + $1 = $5",
        "3+1=4=5",
    ],
)
def test_a_false_equation_states_nothing(text: str) -> None:
    assert parse_number(text) is None and stated_number(text) is None and last_number(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10/3 = 3.33", "3.33"),
        ("10/3 = 3", "3"),
        ("540 / 110 = 4.90", "4.9"),
        ("0.1*3 = 0.30000000000000004", "0.30000000000000004"),
        ("3+4=7+5=12", "12"),  # steps that run on
        ("10*3 \\approx 31", "31"),
        ("half of 3 + 1 = 2", "2"),
        ("50% of 36 + 2 = 20", "20"),
        ("1 dozen + 3 = 15", "15"),
        ("x - 3 = 5", "5"),
        ("f(3)+1 = 5", "5"),
        ("18 = 9 * 2", "18"),
    ],
)
def test_equations_that_do_not_contradict_themselves(text: str, value: str) -> None:
    assert parse_number(text) in (Fraction(value), None) and stated_number(text) == Fraction(value)


def test_arithmetic_is_bounded() -> None:
    for text in (
        "9^9^9",
        "((2^64)^64)^64",
        "(" * 200 + "1+1",
        "1+" * 5000 + "1",
        "1/0",
        "2*(3",
        "1 1/2 + 2",
        "8--0",
        "3x",
    ):
        assert arithmetic.value(text) is None
    assert arithmetic.value("2(3+4) - 6/4 + 2^{10}") == Fraction(2073, 2)
