"""One- and two-digit arithmetic asked in plain English: a graded ladder for small instruction-tuned models.

A kind is written as it is asked: "2*1" is a two-digit number times a one-digit number. All problems of a kind are
known, so a kind that is too small for its share gives all it has, and larger kinds make up for it.
"""

import itertools
import operator
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.hash_split import WHOLE_SET, in_hash_order, split_by_shares
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.settings import TaskSettings
from rlvr_bench.tasks.task import StandardTask
from rlvr_bench.tasks.verifiers.exact import ExactVerifier

_OPERATORS = {"+": operator.add, "-": operator.sub, "*": operator.mul}
_NUMBERS = {"1": range(10), "2": range(10, 100)}


def _is_kind(kind: str) -> str:
    if not re.fullmatch(r"[12][+*-][12]", kind):
        raise ValueError('a kind is digits, operator, digits, for example "2+1", with 1 or 2 digits and one of + - *')
    return kind


class PlainArithmeticSettings(TaskSettings):
    """Which arithmetic, and how many problems of it; the kinds get equal numbers as far as they go."""

    chat: bool = Field(default=True, description="prompts are chat messages, for models with a chat template")
    kinds: list[Annotated[str, AfterValidator(_is_kind)]] = Field(
        default=["1+1", "1*1", "2+2", "2*1"], min_length=1, description="digits, operator, digits"
    )
    train: int = Field(default=512, ge=1, le=100_000, description="problems to train on")
    validation: int = Field(default=128, ge=1, le=100_000, description="problems to choose settings by")
    test: int = Field(default=256, ge=1, le=100_000, description="problems to report on")
    seed: int = Field(default=0, description="which problems are taken")


def plain_arithmetic_task(settings: PlainArithmeticSettings) -> StandardTask:
    """The task; its source raises TaskError if the kinds together hold too few problems."""

    def source(split: Split) -> list[Problem]:
        kinds = list(dict.fromkeys(settings.kinds))
        by_kind = [_problems_of(kind, rung, split, settings.seed) for rung, kind in enumerate(kinds, start=1)]
        return _evenly(by_kind, getattr(settings, split), split)

    verifier = ExactVerifier(order=("whole", "hash", "boxed", "phrase", "last-number"))
    return StandardTask(settings, source, verifier, instruction=" Answer with the number only.")


def _problems_of(kind: str, rung: int, split: Split, seed: int) -> list[Problem]:
    """All problems of a kind in a split, in hash order. Differences are written larger number first."""
    left, sign, right = kind[0], kind[1], kind[2]
    pairs = itertools.product(_NUMBERS[left], _NUMBERS[right])
    if sign == "-":
        pairs = ((a, b) for a, b in pairs if a >= b)  # type: ignore[assignment]
    extra = {"kind": kind, "solution": ""}  # the number alone, as the instruction asks for it
    problems = (
        Problem(f"What is {a} {sign} {b}?", str(_OPERATORS[sign](a, b)), "plain-arithmetic", rung, extra)
        for a, b in pairs
    )
    return in_hash_order((problem for problem in problems if split_by_shares(problem, WHOLE_SET) == split), seed)


def _evenly(by_kind: list[list[Problem]], count: int, split: Split) -> list[Problem]:
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_kind))
    problems = list(itertools.islice((problem for problem in turns if problem is not None), count))
    if len(problems) < count:
        raise TaskError(
            f"Task 'plain-arithmetic' has {len(problems)} problems of these kinds in split {split!r}, but {count} were"
            " asked for: ask for fewer or name more kinds."
        )
    return problems
