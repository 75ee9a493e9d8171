"""Worked solutions: right ones are accepted, slipped ones are not, and a teacher is as good as asked."""

import pytest

from rlvr_bench.tasks import registry, solutions
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.problem import Problem

SMALL = {"train": 40, "validation": 2, "test": 2}


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_gold_is_accepted_and_a_slip_is_not(family: str) -> None:
    task = registry.create({"name": family, **SMALL})
    for problem in task.problems("train"):
        assert task.verify(solutions.gold(task, problem), problem).correct
        verdict = task.verify(solutions.wrong(task, problem, 3), problem)
        assert (verdict.correct, verdict.reason) == (False, "wrong")
        assert "=" in solutions.gold(task, problem)


@pytest.mark.parametrize("accuracy", [0.0, 0.3, 0.7, 1.0])
def test_a_teacher_is_as_often_right_as_asked(accuracy: float) -> None:
    task = registry.create({"name": "chain", "levels": [4], **SMALL})
    problems = task.problems("train")
    taught = solutions.of_teacher(task, problems, accuracy, seed=1)
    right = [task.verify(text, problem).correct for text, problem in zip(taught, problems, strict=True)]
    assert sum(right) == round(accuracy * len(problems))
    assert taught == solutions.of_teacher(task, problems, accuracy, seed=1)
    assert accuracy in (0.0, 1.0) or taught != solutions.of_teacher(task, problems, accuracy, seed=2)


def test_a_data_set_gives_the_solutions_that_it_has() -> None:
    task = registry.create({"name": "plain-arithmetic"})
    solved = Problem("2+2?", "4", "gsm8k", extra={"solution": "2 and 2 make 4."})
    assert solutions.gold(task, solved).startswith("2 and 2 make 4. ")
    assert task.verify(solutions.gold(task, solved), solved).correct
    assert not task.verify(solutions.wrong(task, solved, 0), solved).correct
    with pytest.raises(TaskError, match="no worked solutions"):
        solutions.gold(task, Problem("2+2?", "4", "svamp"))


def test_where_the_answer_alone_is_asked_for_it_is_the_solution() -> None:
    task = registry.create({"name": "plain-arithmetic"})
    for problem in task.problems("train")[:50]:
        assert solutions.gold(task, problem) == problem.answer
        assert not task.verify(solutions.wrong(task, problem, 0), problem).correct
