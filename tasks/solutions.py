"""Worked solutions to learn from: gold ones, and those of a teacher whose accuracy is set.

Families work their problems step by step; other tasks have solutions if their problems carry one, which is empty where
the answer alone is asked for. Nothing here is seen by
a verifier: what a solution is worth is for the task's own `verify` to say.
"""

import hashlib
import random
from collections.abc import Sequence

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.perturbations import changed
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.task import Task


def gold(task: Task, problem: Problem) -> str:
    """The steps and the answer, in the form that the task asks for: "7*3=1 1+4=5 #### 5".

    Raises TaskError if neither a family nor the data give the steps.
    """
    return _stated(task, *_work(task, problem))


def wrong(task: Task, problem: Problem, seed: int) -> str:
    """A solution with one slip, whose answer is wrong; the same arguments give the same one."""
    if problem.family in FAMILIES:
        rng = random.Random(f"slip {seed} {problem.id}")
        return _stated(task, *FAMILIES[problem.family].work(problem, rng, slips=1))
    steps, answer = _work(task, problem)
    return _stated(task, steps, changed(answer))


def of_teacher(task: Task, problems: Sequence[Problem], accuracy: float, seed: int) -> list[str]:
    """One solution per problem, of which round(accuracy * len(problems)) are right: which ones follows from `seed`."""
    order = sorted(range(len(problems)), key=lambda place: _hash(f"teacher {seed} {problems[place].id}"))
    right = set(order[: round(accuracy * len(problems))])
    return [
        gold(task, problem) if place in right else wrong(task, problem, seed) for place, problem in enumerate(problems)
    ]


def _work(task: Task, problem: Problem) -> tuple[list[str], str]:
    if problem.family in FAMILIES:
        return FAMILIES[problem.family].work(problem, random.Random(0))
    solution = problem.extra.get("solution")
    if not isinstance(solution, str):
        raise TaskError(
            f"Task {task.name!r} has no worked solutions to learn from: train on a family or gsm8k, or choose another"
            " signal."
        )
    return [solution] if solution else [], problem.answer


def _stated(task: Task, steps: list[str], answer: str) -> str:
    return " ".join([*steps, task.completion(answer)])


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
