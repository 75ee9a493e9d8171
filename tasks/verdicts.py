"""Verdicts on many completions at once, and what was lost to expressions that have no end.

Threads, as many as there are child processes that do algebra: one hang then holds up one of them. What is decided in
Python alone gains nothing from them and loses little.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.task import Task
from rlvr_bench.tasks.verifiers.math_process import POOL_SIZE, Losses, shared_pool

_FEW = 4


def verify_all(
    task: Task, completions: Sequence[str], problems: Sequence[Problem], truncated: Sequence[bool] | None = None
) -> list[Verdict]:
    """The verdict on each completion of the problem in the same place; `truncated`: which were cut off, else none."""
    cut = [False] * len(completions) if truncated is None else truncated
    if len(completions) < _FEW:
        return list(map(task.verify, completions, problems, cut))
    with ThreadPoolExecutor(POOL_SIZE) as threads:
        return list(threads.map(task.verify, completions, problems, cut))


def losses() -> Losses:
    """What went wrong in this process's algebra so far: seconds without a verdict, causes, children replaced."""
    return shared_pool().losses
