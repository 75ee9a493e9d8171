"""Completions in the forms of language models' families: which answer is read, and which strategies are seen.

Made by hand after how the families write: code with its output (Qwen2.5-Math), steps under headings and "The final
answer is" (Llama), calculator marks (GSM8K's authors), thoughts in tags (R1), bold labels (Gemma). `SAMPLED` are
SmolLM2-135M-Instruct's own greedy answers to GSM8K, cut off after 110 tokens.
"""

import pytest

from rlvr_bench.tasks import strategies
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier

EXACT, LATEX = ExactVerifier(), LatexVerifier(seconds=60)

CODE = "To find the total, we use Python.\n```python\nclips = 48\nprint(clips + clips // 2)\n```\n"
RIGHT: dict[str, tuple[str, set[str]]] = {
    "code, output and box": (f"{CODE}```output\n72\n```\nThe total is \\(\\boxed{{72}}\\).", {"python", "boxed"}),
    "code and output": (f"{CODE}```output\n72\n```", {"python"}),
    "numbered steps in display formulas": (
        "We proceed as follows:\n1. In May: \\(\\frac{48}{2} = 24\\).\n2. In total:\n\\[\n48 + 24 = 72\n\\]\n"
        "Therefore, the answer is \\(\\boxed{72}\\).",
        {"worked", "prose", "boxed"},
    ),
    "steps under headings": (
        "## Step 1: Find the clips of May\nShe sold 48/2 = 24 clips.\n\n## Step 2: Add\n48 + 24 = 72\n\n"
        "The final answer is: $\\boxed{72}$",
        {"worked", "prose", "boxed"},
    ),
    "Minerva's closing words": (
        "Let $x$ be the clips. Final Answer: The final answer is $72$. I hope it is correct.",
        {"prose"},
    ),
    "a closing sentence": ("In May she sold 24. So 48 + 24 = 72. The final answer is 72", {"worked", "prose"}),
    "hashes and a sentence": ("In total 48 + 24 = 72.\n#### 72\nThe answer is: 72", {"worked", "prose"}),
    "calculator marks": (
        "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\nShe sold 48+24 = <<48+24=72>>72 clips in all.\n#### 72",
        {"worked", "prose"},
    ),
    "another answer among the thoughts": (
        "<think>\nOkay, is it \\boxed{71}? Wait, 48 plus 24 gives 72.\n</think>\n\n**Solution:**\n48 + 24 = 72\n\n"
        "**Final Answer:** \\(\\boxed{72}\\)",
        {"worked", "prose", "boxed"},
    ),
    "a bold label": ("**Answer:** 72", set()),
    "a bold answer": ("The answer is **72 clips**.", set()),
    "a unit in the box": ("\\boxed{72 \\text{ clips}}", {"boxed"}),
    "a list with bold labels": (
        "Here is how to solve it:\n\n* **May:** 48 / 2 = 24 clips\n* **Total:** 48 + 24 = 72 clips\n\n**Answer:** 72",
        {"worked", "prose"},
    ),
}


@pytest.mark.parametrize("form", RIGHT)
def test_right_answers_in_every_form(form: str) -> None:
    completion, used = RIGHT[form]
    for verifier in (EXACT, LATEX):
        assert verifier.verify(completion, "72") == Verdict(True, "72", "correct")
        assert verifier.verify(completion, "73") == Verdict(False, "72", "wrong")
    assert {name for name, kind in strategies.STRATEGIES.items() if kind.used(completion)} == used


LOOP, MARK = "Total hours watched = ", "#### \n"
SAMPLED: dict[str, tuple[str, str | None, set[str], bool]] = {
    "steps and a product": (
        "To solve this problem, we need to break it down step by step and use the process of elimination.\n\nStep 1: "
        "Determine the total number of slices of pizza John can order.\nThere are 20 friends in total, and each pizza "
        "has 8 slices. So, the total number of slices is 20 * 8 = 160.\n\nStep 2: Determine the number of slices of "
        "pizza John can order.\nTo find the number of slices, we need to divide the total number of",
        None,  # the number of a heading answers nothing
        {"worked", "prose"},
        False,
    ),
    "units around the numbers": (
        "Step 1: Determine the total amount of money Marisa has saved.\nTotal amount = 25 * 2 = 50 cents\n\nStep 2: "
        "Calculate the amount of money Marisa has saved by dividing 50 cents by 25 cents.\nTotal amount = 50 cents / "
        "25 cents = 1.25 cents\n\nStep 3: Determine the amount of money Marisa has saved by adding 1.25 cents to the "
        "total amount.\nTotal amount = ",
        "5/4",
        {"worked", "prose"},
        False,
    ),
    "a loop": (
        "To solve this problem, we need to break it down step by step.\n\nStep 1: Determine the total number of "
        f"episodes Frankie watched.\n\nTotal episodes = {LOOP * 19}Total hours",
        None,  # the number of a heading answers nothing
        {"prose"},
        True,
    ),
    "marks with nothing behind them": (
        "Erica made 20 Valentine's cards to pass out. \nHer dad brought her 2 boxes of pre-made Valentine's cards that "
        "had 15 cards each. \nShe passed out 24 to her classmates, 5 to her family and received 17 from family and "
        f"friends. \n{MARK * 14}#### ",
        "17",
        {"prose"},
        False,
    ),
    "no step at all": (
        "To solve this problem, we need to break it down step by step and find the answer step by step.\n\nStep 1: "
        "Determine the total amount of money Craig has left.\nThe total amount of money Craig has left is the sum of "
        "the amount of money he has left and the amount of money he bought the water balloons.\n\nStep 2: Calculate "
        "the amount of money",
        None,  # the number of a heading answers nothing
        {"prose"},
        False,
    ),
}


@pytest.mark.parametrize("name", SAMPLED)
def test_answers_that_were_cut_off_give_their_last_number_but_none_of_a_heading(name: str) -> None:
    completion, last, used, loops = SAMPLED[name]
    assert EXACT.verify(completion, "1000") == Verdict(False, last, "unparsed" if last is None else "wrong")
    assert not EXACT.follows_format(completion)
    assert {name for name, kind in strategies.STRATEGIES.items() if kind.used(completion)} == used
    assert strategies.repeats(completion) == loops


@pytest.mark.parametrize(
    ("completion", "gold", "other"),
    [
        (r"\[ x = \boxed{\frac{\sqrt{3}}{2^{\frac{1}{2}}}} \]", r"\frac{\sqrt{6}}{2}", r"\frac{\sqrt{3}}{2}"),
        (r"Hence $\boxed{\dfrac{14}{{3}}}$.", "14/3", "14"),
        (r"so \boxed{\left( 3, \frac{\pi}{2} \right)}", r"(3, \frac{\pi}{2})", r"(\frac{\pi}{2}, 3)"),
        (r"\boxed{\{1, \{2\}\}}", r"\{1, \{2\}\}", r"\{1\}"),
    ],
)
def test_braces_in_a_box_may_be_nested(completion: str, gold: str, other: str) -> None:
    assert LATEX.verify(completion, gold).reason == "correct"
    assert LATEX.verify(completion, other).reason == "wrong"


@pytest.mark.parametrize(
    "completion",
    [
        "I'm sorry, but I cannot help with that.",
        "Let me think about it step by step. First we",
        "The answer is \\boxed{}",
        "<think>\nHmm, the clips of May are half of the clips of April.",
    ],
)
def test_no_answer_is_unparsed(completion: str) -> None:
    for verifier in (EXACT, LATEX):
        assert verifier.verify(completion, "72") == Verdict(False, None, "unparsed")


@pytest.mark.parametrize(
    "answer", [r"\frac{1}{2}", "0.5", r"\sqrt{3}/2", r"(3,\frac{\pi}{2})", r"\text{Evelyn}", "x=5"]
)
def test_an_answer_as_it_was_read_can_stand_for_the_gold_one(answer: str) -> None:
    """Majority labels are answers as they were read."""
    completion = LATEX.completion(answer)
    read = LATEX.verify(completion, "7").parsed
    assert read is not None
    assert LATEX.verify(completion, read).correct and not LATEX.verify(LATEX.completion("71"), read).correct
