"""Splits of procedural families: which split a problem belongs to, and draws from one split.

A problem's split follows from its text alone, so no problem can stand in two splits, whoever draws it and when.
"""

import random

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families.family import Family
from rlvr_bench.tasks.problem import Problem, Split

_TENTHS: tuple[Split, ...] = ("pretrain",) * 6 + ("train",) * 2 + ("validation", "test")
_PATIENCE = 20


def split_of(problem_id: str) -> Split:
    """The split of a problem: pretrain 60 %, train 20 %, validation 10 %, test 10 %."""
    return _TENTHS[int(problem_id, 16) % 10]


def draw(family: Family, level: int, split: Split, count: int, seed: int) -> list[Problem]:
    """`count` different problems of one family, level and split; the same arguments give the same list.

    Raises TaskError if the split holds fewer: sampling goes on until 20 times as many draws as there are problems
    have found nothing new, so the number in the message is exact but for very unevenly drawn families.
    """
    rng = random.Random(f"{family.name} {level} {split} {seed}")
    problems: dict[str, Problem] = {}
    fruitless = 0
    while len(problems) < count:
        problem = family.sample(rng, level)
        identity = problem.id
        if identity not in problems and split_of(identity) == split:
            problems[identity] = problem
            fruitless = 0
            continue
        fruitless += 1
        if fruitless > _PATIENCE * (10 * len(problems) + 100):
            raise TaskError(
                f"Family {family.name!r} has only {len(problems)} problems of level {level} in split {split!r}, but"
                f" {count} were asked for: ask for fewer or choose a higher level."
            )
    return list(problems.values())
