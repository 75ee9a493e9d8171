"""From rows to problems: what is skipped, what is dropped, and how much of both a file may have.

- A row that cannot be used costs itself only, up to ten rows or one percent of a file, and half of it at most.
- A row without an answer (a null, a proof) is left out; there may be as many as half of the rows.
- Rows with the same question and the same answer are one problem.
- Rows with the same question and different answers are all dropped: which one is right, nobody here can tell.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import NoAnswerError, TaskError
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.verifiers.numerals import parse_number

MAX_SKIPPED, MAX_SKIPPED_SHARE = 10, 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of one file, or of one part of a set on the hub."""

    source: str
    rows: int
    problems: tuple[Problem, ...]
    skipped: tuple[str, ...]
    """A sentence for each row that could not be used."""
    unanswered: tuple[str, ...]
    """A sentence for each row that has no answer."""
    contradictory: tuple[str, ...]
    """A sentence for each question that was dropped because its answers differ."""
    repeated: int
    """Rows that say what another says."""

    def faults(self) -> list[str]:
        """What should be mended, in one sentence for each kind."""
        sentences = []
        if self.skipped:
            sentences.append(f"{len(self.skipped)} of {self.rows} rows were skipped, first: {self.skipped[0]}")
        if self.contradictory:
            sentences.append(
                f"{len(self.contradictory)} questions have different answers and were dropped, first:"
                f" {self.contradictory[0]}"
            )
        return sentences

    def notes(self) -> list[str]:
        """What should be known and does no harm."""
        sentences = []
        if self.repeated:
            sentences.append(f"{self.source}: {self.repeated} of {self.rows} rows were repeated and dropped.")
        if self.unanswered:
            sentences.append(
                f"{len(self.unanswered)} of {self.rows} rows have no answer and were left out, first:"
                f" {self.unanswered[0]}"
            )
        return sentences


def read_problems(source: str, rows: Iterable[Row | TaskError], problem: Callable[[Row], Problem]) -> Reading:
    """The problems of `rows`; raises TaskError if too many rows cannot be used."""
    count = 0
    skipped: list[str] = []
    unanswered: list[str] = []
    by_question: dict[str, list[Problem]] = {}
    for row in rows:
        count += 1
        try:
            if isinstance(row, TaskError):
                raise row
            drawn = replace(problem(row), where=row.where)
        except NoAnswerError as fault:
            unanswered.append(str(fault))
        except TaskError as fault:
            skipped.append(str(fault))
        else:
            by_question.setdefault(drawn.id, []).append(drawn)
    unusable = [*skipped, *unanswered]
    if len(skipped) > max(MAX_SKIPPED, MAX_SKIPPED_SHARE * count) or len(unusable) > count / 2:
        raise TaskError(f"{source}: {len(unusable)} of {count} rows cannot be used, too many to skip; {unusable[0]}")
    agreeing: list[list[Problem]] = []
    differing: list[list[Problem]] = []
    for same_question in by_question.values():
        (agreeing if _agree(same_question) else differing).append(same_question)
    return Reading(
        source,
        count,
        tuple(problems[-1] for problems in agreeing),
        tuple(skipped),
        tuple(unanswered),
        tuple(_contradiction(problems) for problems in differing),
        sum(len(problems) - 1 for problems in agreeing),
    )


def _agree(problems: list[Problem]) -> bool:
    return len({_value(problem) for problem in problems}) == 1


def _value(problem: Problem) -> object:
    number = parse_number(problem.answer)
    return "".join(problem.answer.split()) if number is None else number


def _contradiction(problems: list[Problem]) -> str:
    answers = {problem.answer: problem.where for problem in problems}
    (one, first), (other, second) = list(answers.items())[:2]
    return f"{first} says {one[:60]!r}, {second} says {other[:60]!r}: delete the wrong one."
