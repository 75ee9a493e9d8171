"""Numbers in text: every way of writing a value reads as that value, and what is no single number is none."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.verifiers.number_grammar import MAX_LENGTH
from rlvr_bench.tasks.verifiers.numerals import (
    canonical,
    parse_number,
    same_value,
    stated_number,
)

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
    "x*4 = {}",
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


@given(INTEGERS, INTEGERS)
def test_canonical_spelling_tells_values_apart(one: int, other: int) -> None:
    assert (canonical(Fraction(one)) == canonical(Fraction(other))) == (one == other)
    assert parse_number(canonical(Fraction(one, 7))) == Fraction(one, 7)


NOT_ONE_NUMBER = (
    "",
    "5 6",
    "1/2/3",
    "x+1",
    r"\sqrt{2}",
    "2x",
    "1e9999",
    "(1, 2)",
    "7 or 8 of 9",
    "18π",
    r"18\pi",
    "18 pi",
    "18 or 5",
    "18 or more",
    r"2\sqrt{3}",
    "2√3",
    "5-10",
    "5–10",
    "5 to 10",
    "5, 10",
    "3, 5 and 7",
    "5 apples and 3 pears",
    "4=5",
    "x = 7, y = 8",
    "a = 3, b = 5",
    "3i",
    "2 n",
    "18ab",
    "12:30",
    "3:4",
    "204_5",
    "1000(26)",
    "2+3",
    "7*8",
    r"12 \cdot 3",
    "18 x 5",
    "18 ± 2",
    "18+",
    "18 squared",
    "18 times 2",
    "nan",
    "inf",
    "5 hours and 30 minutes",
    "6 feet 5 inches",
    "18...20",
    "18\u202620",
    "18, ..., 20",
    "18 & 5",
    "18h30m",
    "18 ln 2",
    "18 log(2)",
    "18(x+1)",
    "18 to the power of 2",
    "18 to the 2nd",
    "18 mil",
    "--8",
)


@pytest.mark.parametrize("text", NOT_ONE_NUMBER)
def test_what_is_no_single_number(text: str) -> None:
    assert parse_number(text) is None
    assert stated_number(text) is None


ONE_NUMBER: tuple[tuple[str, float], ...] = (
    ("- 8", -8),
    ("negative 8", -8),
    ("minus eight", -8),
    ("– 8", -8),
    ("\u2212 8", -8),
    ("１８", 18),
    ("1 000", 1000),
    ("1'000", 1000),
    ("10{,}000", 10_000),
    (r"12\text{ m}^2", 12),
    (r"60\text{ km/h}", 60),
    (r"12~\text{cm}", 12),
    (r"12\textrm{ cm}", 12),
    (r"12 \mathrm{m/s}", 12),
    ("12€", 12),
    ("€12", 12),
    (r"\bm{18}", 18),
    ("{18}", 18),
    (r"\boxed{18}", 18),
    (r"\approx 18", 18),
    ("about 18", 18),
    (r"9 \times 2 = 18", 18),
    ("m+n=12", 12),
    ("2^3", 8),
    ("2^{10}", 1024),
    (r"2 \times 10^3", 2000),
    ("3 x 10^6", 3_000_000),
    ("10^{-3}", 0.001),
    ("3 million", 3_000_000),
    ("1.5 million", 1_500_000),
    ("5k", 5000),
    ("eighteen", 18),
    ("twenty-one", 21),
    ("one hundred and five", 105),
    ("2½", 2.5),
    ("2 and a half", 2.5),
    (r"3\frac{1}{4}", 3.25),
    (r"\frac{-1}{2}", -0.5),
    (r"\frac{1}{-2}", -0.5),
    ("18cm", 18),
    ("18th", 18),
    (r"90^\circ", 90),
    ("<b>18</b> dollars", 18),
    ("7 km/h", 7),
    ("18 (dollars)", 18),
    ("eighteen (18)", 18),
    ("one half", 0.5),
    ("three-quarters", 0.75),
    ("three fifths", 0.6),
    ("a thousand", 1000),
    ("18 thousands", 18_000),
    ("2 lakh", 200_000),
    ("one and a half million", 1_500_000),
    (r"\num{18}", 18),
    ("US$18", 18),
    (r"\pounds 18", 18),
    (r"\textdollar18", 18),
    ("18\u00a2", 18),
    ("18kWh", 18),
    ("18 sq ft", 18),
    (r"18 \frac{\text{km}}{\text{h}}", 18),
    (r"\nicefrac{1}{2}", 0.5),
    (r"{1 \over 2}", 0.5),
    ("{-}8", -8),
    ("-(8)", -8),
    ("-(-8)", 8),
    ("|-8|", 8),
    ("[18]", 18),
    ("__18__", 18),
    ("18\\\\", 18),
    ("a total of 18", 18),
    ("roughly 18", 18),
    (r"\simeq 18", 18),
    ("18 = 9*2", 18),
)


@pytest.mark.parametrize(("text", "value"), ONE_NUMBER)
def test_correct_spellings_of_one_number(text: str, value: float) -> None:
    assert parse_number(text) == stated_number(text) == Fraction(str(value))


@given(st.integers(-(10**6), 10**6).filter(bool), st.integers(1, 9))
def test_noise_in_the_last_digits_of_a_float_is_no_other_value(value: int, noise: int) -> None:
    sign, digits = ("-" if value < 0 else ""), str(abs(value))
    noisy = parse_number(f"{sign}{digits}.{noise:0{16 - len(digits)}d}")
    assert noisy is not None and same_value(noisy, Fraction(value))
    assert not same_value(Fraction(value) + Fraction(1, 10**4), Fraction(value))


def test_numerals_beyond_the_limit_are_no_answers() -> None:
    assert parse_number("1" * MAX_LENGTH) == int("1" * MAX_LENGTH)
    assert parse_number("1" * (MAX_LENGTH + 1)) is None
