"""Random calculations: nested expressions that no text can hold, with the number of operations as the difficulty.

After RandomCalculation (Wu et al. 2025, arXiv 2507.10532): operands are the integers 0 to 100, their halves to tenths,
squares and cubes; an expression of i operations joins one of j and one of i-1-j by +, -, * or /, in either order.
Departures: all ways to part the operations are equally likely, answers are exact fractions, compared as numbers up to
one in a thousand, and expressions with long answers are drawn again.
"""

import random
from fractions import Fraction
from typing import NamedTuple

from pydantic import Field

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.hash_split import WHOLE_SET, split_by_shares
from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.settings import TaskSettings
from rlvr_bench.tasks.task import StandardTask
from rlvr_bench.tasks.verifiers.exact import ExactVerifier

LEVELS = tuple(range(1, 21))
_LONGEST = 10**9
_PATIENCE = 10_000


class Expression(NamedTuple):
    """A text and its value; brackets stand around every operation inside another."""

    text: str
    value: Fraction


class RandomCalculationSettings(TaskSettings):
    """How long the expressions are, and how many; the levels take turns."""

    chat: bool = Field(default=False, description="prompts are chat messages, for models with a chat template")
    levels: list[int] = Field(default=[5], min_length=1, description="operations in an expression, 1 to 20")
    train: int = Field(default=700, ge=1, le=100_000, description="problems to train on")
    validation: int = Field(default=100, ge=1, le=100_000, description="problems to choose settings by")
    test: int = Field(default=300, ge=1, le=100_000, description="problems to report on")
    seed: int = Field(default=0, description="which problems are drawn")


def random_calculation_task(settings: RandomCalculationSettings) -> StandardTask:
    """The task; raises TaskError if a level is not there, its source if a level is too small for its share."""
    if unknown := [level for level in settings.levels if level not in LEVELS]:
        raise TaskError(f"Task 'random-calculation' has no level {unknown[0]}: choose from 1 to {LEVELS[-1]}.")
    verifier = ExactVerifier(order=("boxed", "hash", "phrase", "last-number"), tolerance=Fraction(1, 1000))
    return StandardTask(
        settings,
        lambda split: _draw(settings, split),
        verifier,
        instruction="\nPut the value, as a number or a fraction, within \\boxed{}.",
    )


def draw_expression(rng: random.Random, operations: int) -> Expression:
    """An expression of so many operations; it never divides by zero."""
    while True:
        try:
            expression = _expression(rng, operations, outermost=True)
        except ZeroDivisionError:
            continue
        if max(abs(expression.value.numerator), expression.value.denominator) <= _LONGEST:
            return expression


def _expression(rng: random.Random, operations: int, outermost: bool = False) -> Expression:
    if operations == 0:
        return _operand(rng)
    fewer = rng.randint(0, (operations - 1) // 2)
    sides = [_expression(rng, fewer), _expression(rng, operations - 1 - fewer)]
    if rng.random() < 0.5:
        sides.reverse()
    (left, a), (right, b) = sides
    operator = rng.choice("+-*/")
    value = {"+": a.__add__, "-": a.__sub__, "*": a.__mul__, "/": a.__truediv__}[operator](b)
    text = f"{left} {operator} {right}"
    return Expression(text if outermost else f"({text})", value)


def _operand(rng: random.Random) -> Expression:
    number, kind = rng.randint(0, 100), rng.choice(("integer", "fraction", "square", "cube"))
    if kind == "fraction":
        bottom = rng.randint(2, 10)
        return Expression(f"({number}/{bottom})", Fraction(number, bottom))
    power = {"integer": 1, "square": 2, "cube": 3}[kind]
    return Expression(str(number) if power == 1 else f"{number}^{power}", Fraction(number**power))


def _draw(settings: RandomCalculationSettings, split: Split) -> list[Problem]:
    """Different problems of a split, the levels in turn; the same settings give the same list."""
    rng = random.Random(f"random-calculation {settings.levels} {split} {settings.seed}")
    problems: dict[str, Problem] = {}
    count, fruitless = getattr(settings, split), 0
    while len(problems) < count:
        level = settings.levels[len(problems) % len(settings.levels)]
        expression = draw_expression(rng, level)
        problem = Problem(f"What is {expression.text}?", str(expression.value), "random-calculation", level)
        fruitless += 1
        if problem.id not in problems and split_by_shares(problem, WHOLE_SET) == split:
            problems[problem.id] = problem
            fruitless = 0
        if fruitless > _PATIENCE:
            raise TaskError(f"Task 'random-calculation' finds only {len(problems)} problems of {count}: ask for fewer.")
    return list(problems.values())
