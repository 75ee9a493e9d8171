"""What is said of a value: bounds, denials, one of several and parts are no answer; a remark changes nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier

FREE, LATEX = ExactVerifier(), LatexVerifier()
VERIFIERS = (FREE, LATEX)

OTHERWISE = (
    "less than {}",
    "at least {}",
    "at most {}",
    "more than {}",
    "fewer than {}",
    "greater than {}",
    "no more than {}",
    "not {}",
    "not equal to {}",
    "not exactly {}",
    "no longer {}",
    "never {}",
    "under {}",
    "over {}",
    "above {}",
    "well below {}",
    "beyond {}",
    "an integer below {}",
    "any number above {}",
    "exceeding {}",
    "up to {}",
    "between 3 and {}",
    "between {} and 907",
    "either 5 or {}",
    "either {} or 5",
    "in the range 10 to {}",
    "5 or {}",
    "neither 17 nor {}",
    "anything but {}",
    "far from {}",
    "undefined, not {}",
    "no solution, {} fails",
    "impossible to determine from {}",
    "a multiple of {}",
    "the square of {}",
    "a third of {}",
    "twice {}",
    "half of {}",
    "{} or more",
    "{} at least",
    "{} and more",
    "{} less than 30",
    "{} more than 5",
    "{}% of 50",
    "< {}",
    ">= {}",
    "!= {}",
)
STILL = (
    "about {}",
    "approximately {}",
    "exactly {}",
    "just {}",
    "now {}",
    "given by {}",
    "therefore {}",
    "none other than {}",
    "{} or so",
    "{}, not 17",
    "{} (not 17)",
    "{} rather than 17",
    "{} since at least 3 are left",
    "{}, which is less than 900",
    "{}, between 1 and 900",
    "{} if x is 2",
    "{} for all n",
    "{}, as 3 or 4 do not work",
)
NUMBERS = st.integers(20, 899).map(str)


@given(st.sampled_from(OTHERWISE), NUMBERS)
def test_bounds_denials_and_parts_state_no_value(words: str, number: str) -> None:
    said = words.format(number)
    for verifier in VERIFIERS:
        assert verifier.verify(f"The answer is {said}.", number).reason in ("wrong", "unparsed"), said
    assert not FREE.verify(f"#### {said}", number).correct


@given(st.sampled_from(STILL), NUMBERS)
def test_remarks_leave_a_value_what_it_is(words: str, number: str) -> None:
    for verifier in VERIFIERS:
        assert verifier.verify(f"The answer is {words.format(number)}.", number).correct, words


@pytest.mark.parametrize("gold", ["18", r"\frac{3}{4}", r"3\sqrt{13}", "0", "6 - 5i", "90^\\circ"])
@pytest.mark.parametrize("words", ["greater than", "at most", "not", "up to", "less than", "half of", "anything but"])
def test_denials_of_formulas_too(words: str, gold: str) -> None:
    for completion in (
        f"The answer is {words} ${gold}$.",
        rf"\boxed{{\text{{{words} }} {gold}}}",
        f"So it is {words} ${gold}$.",
    ):
        assert not LATEX.verify(completion, gold).correct, completion


def test_denied_options_are_not_chosen() -> None:
    for completion in ("The answer is undefined, not (C)", "The answer is (C) or 12", "It is anything but C"):
        assert not FREE.verify(completion, "C").correct, completion
    for completion in ("So the answer is C and not B.", "It's C", "The answer is C rather than B."):
        assert FREE.verify(completion, "C").correct, completion


@pytest.mark.parametrize(
    "completion",
    [
        "The difference between 30 and 12 is 18.",
        "Between Tom and Ann there are 18.",
        "Half of 36 = 18",
        "=> 18",
        "Answer => 18",
        "3 + 15 -> 18",
        "The answer is not 17, but 18.",
        "<result>18</result>",
        "5 > 3, so there are 18 apples.",
    ],
)
def test_words_and_signs_that_belong_to_something_else(completion: str) -> None:
    assert FREE.verify(completion, "18").correct


@pytest.mark.parametrize(
    "completion",
    ["So $x < 18$.", "So $x \\ne 18$.", "Hence x > 18", "So it is between 3 and 18.", "She has 5 or 18."],
)
def test_no_bound_is_the_last_number(completion: str) -> None:
    assert not FREE.verify(completion, "18").correct
    assert not LATEX.verify(completion, "18").correct


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac{2}{3} (\approx 0.67)", r"\frac{2}{3}"),
        (r"\frac{2}{3} \text{ (approximately 0.67)}", r"\frac{2}{3}"),
        (r"\pi(288)", r"288\pi"),
        (r"\begin{aligned} x &= 42 \end{aligned}", "42"),
        (r"\begin{aligned} x &= 3 \\ y &= 5 \end{aligned}", "(3,5)"),
        (r"\text{The interval is } (3, 4]", "(3,4]"),
        ("2**3", "8"),
        ("x**2 + 1", "x^2+1"),
        ("\U0001d7cf\U0001d7d6", "18"),
        ("\u0661\u0668", "18"),
        ("1.5M", "1500000"),
        ("A$12", "12"),
        ("18 o'clock", "18"),
        ("12 Rs", "12"),
        ("(1, 2)", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        (r"\langle 1, 2 \rangle", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", "(1,2)"),
    ],
)
def test_further_spellings(answer: str, gold: str) -> None:
    assert LATEX.verify(rf"\boxed{{{answer}}}", gold).correct


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("(2, 1)", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        ("[1, 2]", r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}"),
        ("(1, 2, 3, 4)", r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}"),
        (r"0.25\%", r"\frac{1}{4}"),
        ("18C3", "18"),
    ],
)
def test_further_answers_that_are_wrong(answer: str, gold: str) -> None:
    assert LATEX.verify(rf"\boxed{{{answer}}}", gold).reason == "wrong"
    if "pmatrix" not in gold:
        assert not FREE.verify(rf"\boxed{{{answer}}}", gold).correct


def test_the_words_answer_is_within_a_formula() -> None:
    assert LATEX.verify(r"So $\text{The answer is } \frac{1}{2}$.", r"\frac{1}{2}").correct


def test_a_row_a_line_within_dollar_signs() -> None:
    matrix = "\\begin{pmatrix} -7 \\\\\n 16 \\end{pmatrix}"
    assert LATEX.verify(f"Therefore the result is ${matrix}$.", matrix.replace("\n", "")).correct


def test_boxes_with_names_between_are_one_answer() -> None:
    assert LATEX.verify(r"$x=\boxed{1}$ and $y=\boxed{2}$", "(1,2)").correct


def test_a_numbered_heading_above_a_stated_answer() -> None:
    assert FREE.verify("#### Case 1\nfoo\n#### Case 2\nbar\nThe answer is 7", "7").correct
