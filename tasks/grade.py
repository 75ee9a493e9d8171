"""Verdicts on completions that somebody has: lists in Python, or the rows of a file, lm-eval's samples among them.

Nothing here needs a model, nor the problems of a task: a task lends its verifier, each row brings its own gold answer.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from rlvr_bench.tasks import registry
from rlvr_bench.tasks.datasets.fields import answer_of, completions_of
from rlvr_bench.tasks.datasets.files import read_rows
from rlvr_bench.tasks.datasets.final_answer import final_answer
from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.problem import Problem, Reason, Verdict
from rlvr_bench.tasks.verdicts import losses
from rlvr_bench.tasks.verifiers.exact import ExactVerifier
from rlvr_bench.tasks.verifiers.latex import LatexVerifier
from rlvr_bench.tasks.verifiers.math_process import POOL_SIZE
from rlvr_bench.tasks.verifiers.verifier import Verifier

Judge = Callable[[str, str, bool], Verdict]
"""From a completion, a gold answer and whether the completion was cut off to a verdict."""

COMPLETION_FIELDS = ("completion", "response", "output", "generation", "resps", "prediction", "generated_text")
ANSWER_FIELDS = ("answer", "gold", "target", "solution")
"""Where completions and gold answers are looked for unless a field is named; `resps` and `target` are lm-eval's."""

_REASONS: tuple[Reason, ...] = get_args(Reason)
_VERIFIERS: dict[str, Callable[[], Verifier]] = {"exact": ExactVerifier, "latex": LatexVerifier}
_LABELS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "correct", "right"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "incorrect", "wrong"), False),
}


@dataclass(frozen=True, slots=True)
class GradedCompletion:
    """The verdict on one completion of a row; `label` is what another grader says, `seconds` wall-clock time."""

    where: str
    completion: str
    answer: str
    verdict: Verdict
    seconds: float
    label: bool | None = None

    @property
    def disagrees(self) -> bool:
        """Whether the other grader says otherwise."""
        return self.label is not None and self.label != self.verdict.correct


@dataclass(frozen=True, slots=True)
class GradeReport:
    """What came of a file.

    Attributes:
        bad: one sentence for each row that could not be used.
        passed_over: rows that repeat a completion under another filter of lm-eval.
        seconds_lost: wall-clock seconds of comparisons that ended in no verdict.
    """

    graded: tuple[GradedCompletion, ...]
    bad: tuple[str, ...]
    passed_over: int
    seconds_lost: float

    def summary(self) -> dict[str, Any]:
        """Counts and shares over all completions; shares are None where there are none."""
        reasons = Counter(one.verdict.reason for one in self.graded)
        count = len(self.graded)
        return {
            "completions": count,
            **{reason: reasons[reason] / count if count else None for reason in _REASONS},
            "bad_rows": len(self.bad),
            "passed_over": self.passed_over,
            "seconds": sum(one.seconds for one in self.graded),
            "seconds_lost": self.seconds_lost,
        }

    def confusion(self) -> list[dict[str, Any]]:
        """By our verdict, how many completions the other grader calls right and how many wrong."""
        counts = Counter((one.verdict.reason, one.label) for one in self.graded)
        return [
            {"verdict": reason, "label right": counts[reason, True], "label wrong": counts[reason, False]}
            for reason in _REASONS
        ]


def grade(
    completions: Sequence[str],
    answers: Sequence[str | float],
    *,
    task: str | Mapping[str, Any] | None = None,
    verifier: Literal["exact", "latex"] | None = None,
    truncated: Sequence[bool] | None = None,
) -> list[Verdict]:
    """The verdict on each completion, given the gold answer in the same place.

    Args:
        answers: gold answers, or solutions that end with "#### N" or have the answer in their last box.
        task: name or settings of the task whose verifier decides; its data are not read.
        verifier: the verifier itself, in place of a task: "exact" (numbers, options, words) or "latex".
        truncated: which completions were cut off; an answer that touches the cut is none.

    Raises:
        TaskError: the lists differ in length, or not exactly one of `task` and `verifier` is given, or it is unknown.
    """
    cut = [False] * len(completions) if truncated is None else truncated
    if not len(completions) == len(answers) == len(cut):
        raise TaskError(
            f"Got {len(completions)} completions, {len(answers)} answers and {len(cut)} flags: give one for each."
        )
    judge = _judge(task, verifier)
    with ThreadPoolExecutor(POOL_SIZE) as threads:  # as many as there are processes that do algebra
        return list(threads.map(judge, completions, [final_answer(str(answer)) for answer in answers], cut))


def grade_file(
    path: Path,
    task: str | Mapping[str, Any],
    completion_field: str | None = None,
    answer_field: str | None = None,
    against: str | None = None,
) -> GradeReport:
    """Grade each completion of a file; a row that cannot be used costs only itself.

    Of lm-eval's `samples_*.jsonl`, which repeat each problem for each filter, the first filter's rows are read.

    Args:
        completion_field, answer_field: names of fields, "a.b" inside of others; else the usual ones are looked for.
        against: a field with another grader's label, such as `exact_match`.

    Raises:
        TaskError: the task is unknown, or the file cannot be read on.
    """
    judge = _judge(task, None)
    completions: list[tuple[str, str, str, bool, bool | None]] = []
    bad: list[str] = []
    filters: list[Any] = []
    passed_over = 0
    for row in read_rows(path):
        try:
            if isinstance(row, TaskError):
                raise row
            name = row.fields.get("filter") if "resps" in row.fields else None
            filters.append(name)
            if name != filters[0]:
                passed_over += 1
                continue
            completions += _completions(row, completion_field, answer_field, against)
        except TaskError as fault:
            bad.append(str(fault))
    if not completions and not bad:
        raise TaskError(f"{path} holds no rows: give a file with a completion and an answer in each row.")
    before = losses().seconds
    with ThreadPoolExecutor(POOL_SIZE) as threads:
        graded = tuple(threads.map(lambda one: _timed(judge, *one), completions))
    return GradeReport(graded, tuple(bad), passed_over, losses().seconds - before)


def _judge(task: str | Mapping[str, Any] | None, verifier: str | None) -> Judge:
    if (task is None) == (verifier is None):
        raise TaskError(f"Got task={task!r} and verifier={verifier!r}: give one of the two.")
    if verifier is not None:
        if verifier not in _VERIFIERS:
            raise TaskError(f"Unknown verifier {verifier!r}: choose from {', '.join(_VERIFIERS)}.")
        return _VERIFIERS[verifier]().verify
    lender = registry.create({"name": task} if isinstance(task, str) else task or {})
    return lambda completion, answer, cut: lender.verify(completion, Problem("", answer, lender.name), cut)


def _completions(
    row: Row, completion_field: str | None, answer_field: str | None, against: str | None
) -> Iterator[tuple[str, str, str, bool, bool | None]]:
    """Place, completion, gold answer, whether it was cut off, and label, of each completion of a row."""
    answer = answer_of(row, answer_field or _field(row, ANSWER_FIELDS))
    label = None if against is None else _label(row, against)
    cut = row.fields.get("finish_reason") == "length" or row.fields.get("truncated") is True
    for completion in completions_of(row, completion_field or _field(row, COMPLETION_FIELDS)):
        yield row.where, completion, answer, cut, label


def _field(row: Row, names: Sequence[str]) -> str:
    """The first of the names that the row has; the first of all where it has none, for the sentence about it."""
    return next((name for name in names if name in row.fields), names[0])


def _label(row: Row, key: str) -> bool:
    value = row.value(key)
    label = _LABELS.get(str(value).strip().lower())
    if label is None:
        raise TaskError(f"{row.where}: field {key!r} is {str(value)[:60]!r}, not true or false, 1 or 0: correct it.")
    return label


def _timed(judge: Judge, where: str, completion: str, answer: str, cut: bool, label: bool | None) -> GradedCompletion:
    started = time.perf_counter()
    verdict = judge(completion, answer, cut)
    return GradedCompletion(where, completion, answer, verdict, time.perf_counter() - started, label)
