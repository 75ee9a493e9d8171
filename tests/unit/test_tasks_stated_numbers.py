"""The number that a sentence states, and the last one in it: never a part of something else."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.verifiers.numerals import (
    canonical,
    last_number,
    parse_number,
    stated_number,
)

INTEGERS = st.integers(-(10**15), 10**15)

SENTENCES = (
    "{}",
    "so it is {}.",
    "That makes **{}** apples",
    "2 + 2 is 4, hence {}",
    "y-4={}",
    "[{}]",
    "It costs ${}!",
)


@given(INTEGERS, st.sampled_from(SENTENCES), st.booleans())
def test_last_number_of_a_sentence(value: int, sentence: str, commas: bool) -> None:
    assert last_number(sentence.format(f"{value:,}" if commas else value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10-3", 3),  # a difference, not minus three
        ("(2)-3", 3),
        ("= -3", -3),
        ("$-5", -5),
        ("-$5", -5),
        ("10{,}000", 10_000),
        (r"10\,000", 10_000),
        ("10\u202f000", 10_000),
        ("1,2,3", 3),  # a list: these commas part no thousands
        ("12,34", 34),
        (".5", Fraction(1, 2)),
        (r"\frac12", Fraction(1, 2)),
        ("H2O", None),
        ("1.2e3", 1200),
        ("no number", None),
        ("4/0", None),
    ],
)
def test_last_number_by_hand(text: str, value: Fraction | int | None) -> None:
    assert last_number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18 dollars, and not 19", 18),
        ("twelve, that is 12 in words", 12),
        ("she has 5 apples.", 5),
        ("that John has 18 dollars left", 18),
        ("18 - that is it", 18),
        ("$5 a piece", 5),
        ("18. Because 5", 18),
        ("18! Great", 18),
        ("1/2 or 0.5", Fraction(1, 2)),
        ("18 because 5 and 13 make it", 18),
        ("18 apples for 5 people", 18),
        ("30 - 16 = 14.", 14),
        ("less than 18", None),
        ("half of 18", None),
        ("Step 1: Set up", None),
        ("not 18", None),
        ("x - 3", None),
    ],
)
def test_numbers_that_a_sentence_states(text: str, value: Fraction | int | None) -> None:
    assert stated_number(text) == value


@pytest.mark.parametrize(
    "text", ["the area is 18π", "it grows as n^2", r"so $18\sqrt{2}$", "18 million or 2^10 or x_5"]
)
def test_a_part_of_something_else_is_not_the_last_number(text: str) -> None:
    assert last_number(text) is None


def test_stated_number_is_right_of_a_leading_equation() -> None:
    assert stated_number("7 * 8 = 56 apples, 3 left") == 56
    assert stated_number("x = y = 4") == 4
    assert stated_number("12 because 3*4 = 12, not 13") == 12


@pytest.mark.parametrize(
    "text",
    [
        "9" * 100_000,
        "1" + ",111" * 30_000,
        "1/" * 50_000,
        "1 " * 50_000,
        "=" * 50_000,
        "=1" * 50_000,
        "1." * 50_000,
        "-" * 50_000 + "1/0",
        r"\frac{" * 20_000,
        "1e999/1e-999",
        "\u2212" * 50_000,
    ],
)
def test_hostile_text_is_read_in_bounded_time(text: str) -> None:
    for read in (parse_number, stated_number, last_number):
        number = read(text)
        assert number is None or len(canonical(number)) < 4_300


@given(st.text(alphabet="0123456789.,/-+eE$%\\{}fracbox= \n\u2212", max_size=80))
def test_any_text_gives_a_number_that_stands_in_it_or_none(text: str) -> None:
    number = last_number(text)
    assert number is None or re.search(r"[0-9]", text)
    assert stated_number("") is None
