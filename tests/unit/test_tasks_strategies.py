"""Strategy detectors on completions as organisms and language models write them."""

import time

import pytest

from rlvr_bench.tasks import strategies
from rlvr_bench.tasks.errors import TaskError

CODE = "Let's solve this with Python.\n```python\nprint(7*3)\n```\nThe output is \\boxed{21}."
PROSE = "First we add the two numbers, which gives 21. The answer is 21."


@pytest.mark.parametrize(
    ("completion", "used"),
    [
        ("7*3=1 1+4=5 #### 5", {"worked"}),
        ("3=1 7=1 #### 2", {"worked"}),
        ("12 - 5 = 7\n#### 7", {"worked"}),
        ("#### 5", {"direct"}),
        ("  #### 5", {"direct"}),
        ("#### 5 7*3=1", {"direct"}),
        ("####", set()),
        ("7*3=1 1+4=", {"worked"}),
        ("21", set()),
        ("", set()),
        (CODE, {"python", "boxed"}),
        ("PYTHON", {"python"}),
        (PROSE, {"prose"}),
        ("We get the sum of both, so \\boxed{21}", {"prose", "boxed"}),
        ("\\boxed{}", set()),
        ("\\boxed{ }", set()),
        ("9 * 2 = $18 a day", {"worked"}),
        (r"9 \times 2 = \$18", {"worked"}),
        (r"\frac{48}{2} = 24", {"worked"}),
        (r"48 + 24 &= 72 \\", {"worked"}),
        (r"48 + 24 = \boxed{72}", {"worked", "boxed"}),
        ("(48 - 8) = **40**", {"worked"}),
        ("x = 5", set()),
        ("Pay = $18", set()),
        (r"the value of x = \boxed{5}", {"boxed"}),
        ("Natalia sold 48/2 = 24 clips in May, so 48+24 = 72 altogether. #### 72", {"worked", "prose"}),
    ],
)
def test_detectors(completion: str, used: set[str]) -> None:
    assert {name for name, kind in strategies.STRATEGIES.items() if kind.used(completion)} == used


@pytest.mark.parametrize(
    ("completion", "repeats"),
    [
        ("0123456789" * 10, True),
        ("0123456789" * 9, False),
        ("012345678" * 10, False),
        ("a" * 100, True),
        ("so x = 1. " * 12 + "#### 1", True),
        ("7*3=1 1+4=5 #### 5", False),
        ("line one\nline two\n" * 10, True),
        ("".join(f"step {number}: " for number in range(200)), False),
    ],
)
def test_repetition_is_ten_times_the_same_ten_signs_or_more(completion: str, repeats: bool) -> None:
    assert strategies.repeats(completion) == repeats


def test_repetition_takes_bounded_time() -> None:
    started = time.perf_counter()
    strategies.repeats("ab" * 100_000 + "c")
    strategies.repeats("".join(chr(97 + number * 7 % 26) for number in range(100_000)))
    assert time.perf_counter() - started < 5


def test_an_unknown_strategy_is_one_sentence() -> None:
    with pytest.raises(TaskError, match=r"Unknown strategy 'pyhton'; did you mean 'python'\?$"):
        strategies.find("pyhton")
