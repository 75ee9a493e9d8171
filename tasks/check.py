"""The proof that a task can be trusted: its verifier accepts every gold answer and rejects a changed one, and its
splits share no problem. Says nothing of whether the gold answers are right.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rlvr_bench.tasks.problem import Problem, Split
from rlvr_bench.tasks.task import USER_SPLITS, Task
from rlvr_bench.tasks.verifiers.numerals import canonical, parse_number


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found; the ids are those of the problems at fault."""

    task: str
    sizes: dict[Split, int]
    gold_rejected: tuple[str, ...]
    changed_accepted: tuple[str, ...]
    blank_accepted: bool
    in_two_splits: tuple[str, ...]
    repeated: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found."""
        return not self.faults()

    def faults(self) -> list[str]:
        """One sentence for each kind of fault."""
        kinds = (
            (self.gold_rejected, "gold answers are not accepted"),
            (self.changed_accepted, "changed answers are accepted"),
            (self.in_two_splits, "problems stand in two splits"),
            (self.repeated, "problems stand twice in one split"),
        )
        found = [f"{len(ids)} {what}, first that of problem {ids[0]}." for ids, what in kinds if ids]
        if not any(self.sizes.values()):
            found.append("There are no problems.")
        return [*found, "An empty completion is accepted."] if self.blank_accepted else found


def check(task: Task) -> CheckReport:
    """Try every problem of every split; raises TaskError if the data cannot be had."""
    by_split = {split: task.problems(split) for split in USER_SPLITS}
    everything = [problem for problems in by_split.values() for problem in problems]
    return CheckReport(
        task=task.name,
        sizes={split: len(problems) for split, problems in by_split.items()},
        gold_rejected=tuple(problem.id for problem in everything if not _accepts(task, problem, problem.answer)),
        changed_accepted=tuple(
            problem.id for problem in everything if _accepts(task, problem, changed(problem.answer))
        ),
        blank_accepted=bool(everything) and task.verify("", everything[0]).correct,
        in_two_splits=tuple(sorted(_shared(by_split))),
        repeated=tuple(_repeated(by_split)),
    )


def changed(answer: str) -> str:
    """A near answer that is wrong: a number plus one, the next option, another digit in an expression."""
    number = parse_number(answer)
    if number is not None:
        return canonical(number + 1)
    if re.fullmatch(r"[A-Ya-y]", answer):
        return chr(ord(answer) + 1)
    if re.search(r"[0-9]", answer):
        return re.sub(r"[0-9]", lambda digit: str((int(digit[0]) + 1) % 10), answer, count=1)
    return f"{answer} + 1"


def _accepts(task: Task, problem: Problem, answer: str) -> bool:
    return task.verify(task.completion(answer), problem).correct


def _shared(by_split: dict[Split, list[Problem]]) -> set[str]:
    ids = [{problem.id for problem in problems} for problems in by_split.values()]
    return {one for place, first in enumerate(ids) for second in ids[place + 1 :] for one in first & second}


def _repeated(by_split: dict[Split, list[Problem]]) -> Iterator[str]:
    for problems in by_split.values():
        seen: set[str] = set()
        for problem in problems:
            if problem.id in seen:
                yield problem.id
            seen.add(problem.id)
