"""Answers in completions: the declared order of rules, and the three outcomes."""

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.exact import ExactVerifier

FREE, FAMILY = ExactVerifier(), ExactVerifier(order=("hash",))
PLAIN = ExactVerifier(order=("whole", "hash", "boxed", "phrase", "last-number"))


@pytest.mark.parametrize(
    ("completion", "gold", "parsed"),
    [
        ("3*4=12\n#### 12", "12", "12"),
        ("#### $1,080.00.", "1080", "1080"),
        ("#### 18 dollars, and not 19", "18", "18"),
        ("#### 5\nQuestion: 2+2?\n#### 4", "5", "5"),  # a base model that runs on
        (r"first \boxed{3}, no: \boxed{\frac{1}{2}}", "0.5", "1/2"),
        (r"\boxed{x = 7}", "7", "7"),
        (r"\boxed{18 \text{ dollars}}", "18", "18"),
        (r"\boxed{\text{7}}", "7", "7"),
        (r"#### 4, not \boxed{5}", "4", "4"),  # hash comes before the box
        ("The answer is 4. No, the answer is: **5**.", "5", "5"),
        ("Final Answer: 7 * 8 = 56", "56", "56"),
        ("The answer is clear.\nIt is 9", "9", "9"),
        ("They have 3 + 4 = 7.", "7", "7"),
        ("070", "70", "70"),
        ("\u22125", "-5", "-5"),
        ("51", "51.0", "51"),
    ],
)
def test_correct_answers_in_free_text(completion: str, gold: str, parsed: str) -> None:
    assert FREE.verify(completion, gold) == Verdict(True, parsed, "correct")


@pytest.mark.parametrize(
    ("completion", "gold", "parsed"),
    [
        ("#### 13", "12", "13"),
        ("#### twelve, that is 12 in words", "13", "12"),
        ("#### none", "12", "none"),  # what stands after a marker is the answer
        (r"\boxed{(5, 3)}", "3", "(5, 3)"),  # two numbers are not one of them
        (r"12 \boxed{\sqrt{2}}", "2", r"\sqrt{2}"),
    ],
)
def test_wrong_answers(completion: str, gold: str, parsed: str) -> None:
    assert FREE.verify(completion, gold) == Verdict(False, parsed, "wrong")


@pytest.mark.parametrize("completion", ["", "no idea", "####", "####   \n", r"\boxed{", r"\boxed{}", "9" * 101])
def test_no_answer_is_unparsed_and_not_wrong(completion: str) -> None:
    assert FREE.verify(completion, "12") == Verdict(False, None, "unparsed")


def test_families_are_not_paid_for_unfinished_steps() -> None:
    assert FAMILY.verify("7*3=1 1+4=5", "5").reason == "unparsed"
    assert FAMILY.verify("7*3=1 1+4=5 #### 5", "5").correct


@given(st.integers(-(10**12), 10**12), st.booleans())
def test_hash_answers_as_lm_evals_gsm8k_reads_them(value: int, commas: bool) -> None:
    """Reference: filter and clean-up of lm-eval 0.4.13's own gsm8k (strict-match)."""
    completion = f"some steps = 3\n#### {f'{value:,}' if commas else value}"
    match = re.search(r"#### (\-?[0-9\.\,]+)", completion)
    assert match is not None
    reference = match[1].replace(",", "").replace("$", "")
    assert FREE.verify(completion, str(value)).parsed == reference


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.sampled_from([FREE, FAMILY, PLAIN]))
def test_correct_exactly_if_the_values_are_equal(stated: int, gold: int, verifier: ExactVerifier) -> None:
    assert verifier.verify(verifier.completion(str(stated)), str(gold)).correct == (stated == gold)
    assert verifier.follows_format(verifier.completion(str(stated)))


HOSTILE = "0123456789.,/-+#\\{}boxedanswer is:=\n\t\u2212é\x00\ud800"


@given(st.text(alphabet=HOSTILE, max_size=300), st.text(alphabet=HOSTILE, max_size=20))
def test_any_completion_and_any_gold_get_a_verdict(completion: str, gold: str) -> None:
    verdict = PLAIN.verify(completion, gold)
    assert verdict.correct == (verdict.reason == "correct")
    assert (verdict.parsed is None) == (verdict.reason == "unparsed")


def test_tolerance_is_absolute() -> None:
    verifier = ExactVerifier(tolerance=Fraction(1, 1000))
    assert verifier.verify("#### 14053029.667", "14053029.666666666").correct
    assert not verifier.verify("#### 14053029.669", "14053029.666666666").correct
    assert not FREE.verify("#### 14053029.667", "14053029.666666666").correct


@pytest.mark.parametrize(
    "completion", ["#### B", "#### (B)", "#### b) 600", r"\boxed{B}", "The answer is B.", r"so \boxed{\text{B}}"]
)
def test_options_by_their_letter(completion: str) -> None:
    verifier = ExactVerifier(order=("hash", "boxed", "phrase"))
    assert verifier.verify(completion, "B").correct
    assert not verifier.verify(completion, "C").correct


def test_other_answers_as_text() -> None:
    assert FREE.verify("The answer is  Ann  Smith.", "ann smith").correct
    assert FREE.verify("The answer is Ann.", "ann smith").reason == "wrong"
    assert FREE.verify("Ann Smith 5", "ann smith").reason == "unparsed"


@pytest.mark.parametrize(
    ("verifier", "completion", "follows"),
    [
        (FAMILY, "1+1=2 #### 3", True),
        (FAMILY, "1+1=2", False),
        (FREE, "the answer is 5", False),
        (FREE, r"\boxed{anything}", True),
        (PLAIN, " 56.", True),
        (PLAIN, "7 * 8 is 56", False),
    ],
)
def test_format_without_regard_to_the_answer(verifier: ExactVerifier, completion: str, follows: bool) -> None:
    assert verifier.follows_format(completion) == follows


def test_markers_are_found_in_megabytes() -> None:
    noise = "so we add 7 and get 9, " * 200_000
    for marked in ("#### 18\n", r"\boxed{18}", "the answer is 18.\n"):
        assert FREE.verify(noise + marked, "18").correct
        assert FREE.verify(marked + noise, "18").correct
    assert FREE.verify("answer is " * 20_000 + "7", "7").correct
    assert FREE.verify(noise + "7", "7").correct


def test_version_tells_orders_apart() -> None:
    assert len({FREE.version, FAMILY.version, PLAIN.version, ExactVerifier(tolerance=Fraction(1)).version}) == 4
