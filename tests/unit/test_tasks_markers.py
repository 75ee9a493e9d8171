"""Which words of a completion are its answer: markers, headings, thoughts, boxes, options, and where it was cut off."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr_bench.tasks import registry
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.task import Task
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier

FREE, LATEX = ExactVerifier(), LatexVerifier()
FAMILY = ExactVerifier(order=("hash",))
BOX = FREE.asked_by("put your answer within \\boxed{}")
HASH = FREE.asked_by('end with "#### " and the number')


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("#### Step 1: Set up\nlet x be ... $\\boxed{204}$", "204"),
        ("#### 1. Set up the equation\nlet x be ... $\\boxed{204}$", "204"),
        ("#### Solution:\nwe add\n#### 204\n", "204"),
        ("#### Solution\nwe add\n\\boxed{204}", "204"),
        ("#### Final Answer\n204", "204"),
        ("#### Final Answer: 204", "204"),
        ("<think>maybe \\boxed{5}</think> The answer is 6.", "6"),
        ("maybe #### 5</think> The answer is 6.", "6"),
        ("<think>#### 5\n</think>\n#### 6", "6"),
        ("<thinking>\\boxed{5}</thinking>\\boxed{6}", "6"),
        ("\\boxed{3} wait, \\boxed{5}", "5"),
        ("#### Day 1\nShe eats 3.\n#### Day 2\nShe eats 4.\n\\boxed{204}", "204"),
        ("#### Day 1\nShe eats 3.\n#### Day 2\nShe eats 4.\n#### 204", "204"),
        ("#### Given 3 cats\nand 5 dogs\n\\boxed{204}", "204"),
        ("#### Understanding the problem\nThere are 3.\n#### Answer: 204", "204"),
        ("<analysis>\\boxed{5}</analysis> The answer is 6.", "6"),
        ("<seed:think>\\boxed{5}</seed:think> The answer is 6.", "6"),
        ("<|begin_of_thought|>\\boxed{5}<|end_of_thought|>The answer is 6.", "6"),
        ("<|channel|>analysis<|message|>\\boxed{5}<|end|><|start|>assistant<|channel|>final<|message|>It is 6.", "6"),
        ("\\boxed{\\boxed{204}}", "204"),
        ("\\boxed{\\text{Answer: } \\fbox{204}}", "204"),
        ("\\boxed 204", "204"),
        ("\\boxed{3}. Hmm, that is not right: \\boxed 5", "5"),
    ],
)
def test_headings_thoughts_and_earlier_boxes_do_not_answer(completion: str, answer: str) -> None:
    for verifier in (FREE, BOX, HASH, LATEX):
        assert verifier.verify(completion, answer).reason == "correct"
        assert verifier.verify(completion, "77").parsed == answer
    for other in ("1", "3", "5"):
        assert other == answer or FREE.verify(completion, other).reason == "wrong"


def test_a_thought_without_an_end_answers_nothing() -> None:
    for verifier in (FREE, LATEX):
        assert verifier.verify("<think> it is \\boxed{5}, I think", "5").reason == "unparsed"


def test_the_marker_that_is_asked_for_decides() -> None:
    both = "#### 4\nThat is \\boxed{5}."
    assert BOX.verify(both, "5").correct and HASH.verify(both, "4").correct and FREE.verify(both, "4").correct
    assert BOX.completion("5") == "\\boxed{5}" and HASH.completion("5") == "#### 5"
    assert registry.create({"name": "aime24"}).completion("5") == "\\boxed{5}"
    task = registry.create({"name": "jsonl", "path": "none", "instruction": "Put it within \\boxed{}."})
    assert task.completion("5") == "\\boxed{5}"


def _verdicts(task: Task, completions: list[str]) -> list[bool]:
    return [task.verify(text, Problem("?", "5", "x")).correct for text in completions]


def test_markers_may_be_required_or_not() -> None:
    forms = ["#### 5", "\\boxed{5}", "The answer is 5.", "it is 5"]
    assert _verdicts(registry.create({"name": "chain"}), forms) == [True, False, False, False]
    assert _verdicts(registry.create({"name": "chain", "marker": "any"}), forms) == [True] * 4
    assert _verdicts(registry.create({"name": "aime24"}), forms) == [True] * 4
    assert _verdicts(registry.create({"name": "aime24", "marker": "required"}), forms) == [False, True, False, False]
    assert _verdicts(registry.create({"name": "math500", "marker": "required"}), forms) == [False, True, False, False]
    assert _verdicts(registry.create({"name": "plain-arithmetic", "marker": "required"}), [*forms, "5"])[4]


def test_a_marker_that_changes_nothing_leaves_the_fingerprint() -> None:
    small = {"name": "chain", "train": 8, "validation": 8, "test": 8}
    prints = [registry.create(small | own).fingerprint() for own in ({}, {"marker": "required"}, {"marker": "any"})]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize(
    "stated",
    [
        *("18π", "18^2", "18 or 5", "18 x 10^6", "18 million", "18½", "18\\sqrt{3}", "18-20"),
        *("18 < x < 20", "18 >= y", "18'10\"", "18' 10"),
    ],
)
@pytest.mark.parametrize(
    "form", ["#### {}", "The answer is {}", "the answer is {}.", "\\boxed{{{}}}", "The answer is ${}$."]
)
def test_no_prefix_of_an_answer_is_the_answer(stated: str, form: str) -> None:
    for verifier in (FREE, LATEX):
        assert verifier.verify(form.format(stated), "18").reason == "wrong"


@pytest.mark.parametrize(
    "stated",
    [
        "- 8",
        "negative 8",
        "– 8",
        "-８",
        "-8 \\text{ m}^2",
        "-8~\\text{cm}",
        "-8€",
        "\\bm{-8}",
        "{-8}",
        "-4 \\times 2 = -8",
        "\\underline{-8}",
        "\\large -8",
        "\\textcolor{blue}{-8}",
        "\\color{red}{-8}",
        "\u202a-8\u202c",
        "\u2066-\u200e8\u2069",
        "-\u00ad8",
    ],
)
@pytest.mark.parametrize("form", ["#### {}", "The answer is {}", "\\boxed{{{}}}", "The answer is ${}$.", "Answer: {}"])
def test_correct_spellings_behind_every_marker(stated: str, form: str) -> None:
    for verifier in (FREE, LATEX):
        assert verifier.verify(form.format(stated), "-8").reason == "correct"
        assert verifier.verify(form.format(stated), "8").reason == "wrong"


@pytest.mark.parametrize(
    "completion",
    [
        "**Final Answer: $18**",
        "Answer: \\$18",
        "$\\boxed{\\$18}$",
        "the answer is therefore 18",
        "#### $18/hour",
        "#### 18 (eighteen)",
        "#### 18 eggs, 5 left",
        "The answer is 18 (5 more than 13)",
        "The answer is 3 apples * 6 = 18 apples",
        "#### 3 x 6 = 18",
        "\\boxed{\\text{Total: } 18}",
        "The answer is 18, 20 if counting",
        "### Answer\n18",
        "**Answer:**\n\n18 dollars",
        "The answer is $\\boxed{18}$ dollars.",
        "#### Natalia sold 18 clips",
        "#### 18 \u00b0C",
        "Final answer: 18 \U0001f34e",
        "#### 18</s>",
        "The answer is 18<|im_end|>",
        "#### 18 #### 19",
        "#### 18\r\n",
        '#### "18"',
        "#### 18 -- done",
        "The answer is 18 \u2014 that is all.",
        "The answer is 18\u2014the whole of it.",
        "\u200eThe answer is \u200e18\u200e.",
    ],
)
def test_numbers_as_language_models_state_them(completion: str) -> None:
    for verifier in (FREE, LATEX):
        assert verifier.verify(completion, "18").reason == "correct"
        assert verifier.verify(completion, "81").reason == "wrong"


OPTION_B = (
    "The correct option is B",
    "So the right choice is (B).",
    "(B)",
    "#### Option B",
    "#### (B) 600",
    "\\boxed{\\text{(B)}}",
    "The answer is 6000, so B.",
    "The correct answer is (B).",
    "Therefore, the answer is option B.",
    "Answer: B) 600",
    "the answer is: **B**",
    "The answer is **(B) 600**",
    "The answer is B because it is",
    "so it is\nB",
    "so it is\n(B) 600",
    "Hence, option B is correct.",
    "So B is the answer.",
    "Therefore B is correct.",
    "B is correct",
    "Thus, B",
    "I would pick B.",
    "This matches option B.",
    'The answer is "B"',
    "The answer is B - 600",
    "so it is\n**(B)**",
)


@pytest.mark.parametrize("completion", OPTION_B)
def test_options_in_every_form(completion: str) -> None:
    assert FREE.verify(completion, "B").reason == "correct"
    assert FREE.verify(completion, "C").reason == "wrong"


@pytest.mark.parametrize(
    "completion",
    [
        "The answer is a number",
        "The answer is A or B",
        "#### A or B",
        "\\boxed{A, B}",
        "A number it is",
        "The answer is a.m.",
        "This rules out option A.",
        "A is incorrect",
        "It is not A",
        "A) 5\nB) 6\nA) 5",
    ],
)
def test_articles_and_several_letters_are_no_option(completion: str) -> None:
    assert not FREE.verify(completion, "A").correct


def test_a_tolerance_covers_neither_another_sign_nor_another_size() -> None:
    near = ExactVerifier(tolerance=Fraction(1, 1000))
    assert near.verify("#### 5.0001", "5").correct and near.verify("#### 0.0004", "0.0004").correct
    for answer, gold in (("-0.0004", "0.0004"), ("0.0009", "0.0004"), ("0.0001", "0"), ("0", "0.0004")):
        assert near.verify(f"#### {answer}", gold).reason == "wrong"


@pytest.mark.parametrize(
    ("completion", "gold"),
    [
        ("#### 2", "2"),
        ("#### 2", "23"),
        ("#### 3 mil", "3"),
        ("#### 18 or 5", "18"),
        ("\\boxed{2", "2"),
        ("\\boxed{1} no, \\boxed{2", "1"),
        ("The answer is 6", "6"),
        ("The answer is 6.", "6"),
        ("so 3+4 = 7", "7"),
        ("7", "7"),
        ("<think> \\boxed{5} hmm", "5"),
        ("The answer is", "6"),
        ("The answer is $6$", "6"),
        ("", "6"),
    ],
)
def test_an_answer_that_touches_the_cut_is_none(completion: str, gold: str) -> None:
    for verifier in (FREE, LATEX, ExactVerifier(order=("whole", *FREE.order))):
        verdict = verifier.verify(completion, gold, truncated=True)
        assert (verdict.correct, verdict.parsed, verdict.reason) == (False, None, "truncated")


@pytest.mark.parametrize(
    "completion",
    [
        "#### 6\n",
        "#### 6\nQuestion: wh",
        "\\boxed{6}",
        "\\boxed{6}. Therefo",
        "The answer is 6. So we ha",
        "The answer is 6.\nQuest",
        "#### 6 because the tot",
        "The answer is $6$. Next, we",
    ],
)
def test_an_answer_that_was_complete_before_the_cut_counts(completion: str) -> None:
    for verifier in (FREE, LATEX):
        assert verifier.verify(completion, "6", truncated=True).reason == "correct"
        assert verifier.verify(completion, "7", truncated=True).reason == "wrong"


def test_options_and_words_at_the_cut() -> None:
    assert FREE.verify("The answer is B", "B", truncated=True).reason == "truncated"
    assert FREE.verify("so\nB", "B", truncated=True).reason == "truncated"
    assert FREE.verify("#### B\nNext", "B", truncated=True).correct
    assert FREE.verify("The answer is Ann", "ann", truncated=True).reason == "truncated"


@given(st.sampled_from(sorted(FAMILIES)), st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_organisms_answers_are_read_by_their_value(family: str, rng: object, slip: bool, direct: bool) -> None:
    """Worked steps and "#### N", as the organisms write: the number behind the first marker, and nothing else."""
    kind = FAMILIES[family]
    problem = kind.sample(rng, kind.levels[-1])  # type: ignore[arg-type]
    steps, answer = kind.work(problem, rng, slips=int(slip))  # type: ignore[arg-type]
    worked = "" if direct else " ".join(steps)
    right = int(answer) == int(problem.answer)
    for completion in (f"{worked} #### {answer}", f"{worked}\n#### {answer}\n{problem.question}\n#### 77"):
        verdict = FAMILY.verify(completion, problem.answer)
        assert (verdict.correct, verdict.parsed, verdict.reason) == (right, answer, "correct" if right else "wrong")
    for completion in (worked, f"{worked} ####", f"{worked} #### "):
        assert FAMILY.verify(completion, problem.answer).reason == "unparsed"


def test_hostile_completions_get_a_verdict_that_is_no_wrong_zero() -> None:
    for completion in (
        r"\boxed{" + "{" * 100_000 + "18" + "}" * 100_000 + "}",
        r"\boxed{18}" + "<div>" * 500_000,
        "x" * 3_000_000 + r"\boxed{18}",
        "<b>The answer is <i>18</i></b>",
        "#### <b>18</b> dollars &amp; no cents",
        r"NaN \boxed{18}",
    ):
        for verifier in (FREE, LATEX):
            assert verifier.verify(completion, "18").reason == "correct"
    for answer in ("NaN", "9^{9^{9}}", "inf", "1e999", "10^{99999}", "(" * 50_000, "\\frac{" * 20_000, "x" * 10**6):
        assert not FREE.verify(rf"\boxed{{{answer}}}", "18").correct
        assert not LATEX.verify(rf"#### {answer}", "18").correct
