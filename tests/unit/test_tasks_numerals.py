"""Numbers in text: every way of writing a value reads as that value, and nothing stalls the reader."""

import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.verifiers.numerals import MAX_LENGTH, canonical, first_number, last_number, parse_number

INTEGERS = st.integers(-(10**15), 10**15)
WRAPPERS = (
    "{}",
    " {} ",
    "{}.",
    "${}",
    "{}%",
    "**{}**",
    "`{}`",
    r"\${}",
    r"{}\%",
    "({})",
    "${}$",
    "{} dollars",
    "x = {}",
    "3*4 = {}",
)
SENTENCES = (
    "{}",
    "so it is {}.",
    "That makes **{}** apples",
    "2 + 2 is 4, hence {}",
    "7-4={}",
    "[{}]",
    "It costs ${}!",
)


@given(INTEGERS, st.sampled_from(WRAPPERS), st.booleans(), st.booleans())
def test_integers_read_as_themselves(value: int, wrapper: str, commas: bool, unicode_minus: bool) -> None:
    text = f"{value:,}" if commas else str(value)
    text = text.replace("-", "\u2212") if unicode_minus else text
    assert parse_number(wrapper.format(text)) == value


@given(st.decimals(-(10**9), 10**9, allow_nan=False, places=4), st.sampled_from(WRAPPERS))
def test_decimals_read_exactly(value: Decimal, wrapper: str) -> None:
    assert parse_number(wrapper.format(value)) == Fraction(value)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e50, max_value=1e50))
def test_floats_as_python_writes_them(value: float) -> None:
    assert parse_number(repr(value)) == Fraction(repr(value))


@given(INTEGERS, st.integers(1, 10**9))
def test_fractions_in_plain_text_and_latex(top: int, bottom: int) -> None:
    value = Fraction(top, bottom)
    assert parse_number(f"{top}/{bottom}") == value
    assert parse_number(f"{top} / {bottom}") == value
    sign = "-" if top < 0 else ""
    for command in (r"\frac", r"\dfrac", r"\tfrac"):
        assert parse_number(f"${sign}{command}{{{abs(top)}}}{{{bottom}}}$") == value


@given(st.integers(0, 999), st.integers(1, 99), st.integers(2, 99))
def test_mixed_numbers(whole: int, top: int, bottom: int) -> None:
    assert parse_number(f"-{whole} {top}/{bottom}") == -(whole + Fraction(top, bottom))
    assert parse_number(rf"{whole}\frac{{{top}}}{{{bottom}}}") == whole + Fraction(top, bottom)


@given(INTEGERS, st.sampled_from(SENTENCES), st.booleans())
def test_last_number_of_a_sentence(value: int, sentence: str, commas: bool) -> None:
    assert last_number(sentence.format(f"{value:,}" if commas else value)) == value


@given(INTEGERS, INTEGERS)
def test_canonical_spelling_tells_values_apart(one: int, other: int) -> None:
    assert (canonical(Fraction(one)) == canonical(Fraction(other))) == (one == other)
    assert parse_number(canonical(Fraction(one, 7))) == Fraction(one, 7)


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
    "text", ["", "5 6", "1/2/3", "x+1", r"\sqrt{2}", "2x", "1e9999", "five", "(1, 2)", "7 or 8 of 9"]
)
def test_what_is_no_single_number(text: str) -> None:
    assert parse_number(text) is None


def test_first_number_is_right_of_a_leading_equation() -> None:
    assert first_number("7 * 8 = 56 apples, 3 left") == 56
    assert first_number("x = y = 4") == 4
    assert first_number("12 because 3*4 = 12, not 13") == 12


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
    for read in (parse_number, first_number, last_number):
        number = read(text)
        assert number is None or len(canonical(number)) < 4_300


@given(st.text(alphabet="0123456789.,/-+eE$%\\{}fracbox= \n\u2212", max_size=80))
def test_any_text_gives_a_number_that_stands_in_it_or_none(text: str) -> None:
    number = last_number(text)
    assert number is None or re.search(r"[0-9]", text)
    assert first_number("") is None


def test_numerals_beyond_the_limit_are_no_answers() -> None:
    assert parse_number("1" * MAX_LENGTH) == int("1" * MAX_LENGTH)
    assert parse_number("1" * (MAX_LENGTH + 1)) is None
