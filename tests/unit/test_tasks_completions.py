"""Completions in the forms of language models' families: which answer is read, and which strategies are seen.

Made by hand after how the families write: code with its output (Qwen2.5-Math), steps under headings and "The final
answer is" (Llama), calculator marks (GSM8K's authors), thoughts in tags (R1), bold labels (Gemma).
"""

import pytest

from tasks import strategies
from tasks.problem import Verdict
from tasks.verifiers.exact import ExactVerifier
from tasks.verifiers.latex import LatexVerifier

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
