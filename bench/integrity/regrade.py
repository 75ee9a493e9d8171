"""Stored completions under today's verifier: one score at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr_bench.evaluate.completion import Completion, Graded
from rlvr_bench.evaluate.grading import problems_hash, score
from rlvr_bench.experiment.scored import score_tasks
from rlvr_bench.integrity.stored import StoredScore
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import ModelRole, RunRecord, Score, ScoredSplit
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Regraded:
    """One score, before and after.

    Attributes:
        changed: completions, sampled ones included, that are right now and were not, or the other way round.
    """

    role: ModelRole
    task: str
    split: ScoredSplit
    before: Score
    after: Score
    changed: int

    @property
    def differs(self) -> bool:
        """Whether the score is another, in what of it was measured before."""
        after = self.after.model_dump()
        return any(value != after[name] for name, value in self.before.model_dump().items() if value is not None)

    @property
    def gained(self) -> int:
        """Problems whose greedy answer is right now and was not."""
        return sum(pair == ("0", "1") for pair in self._pairs())

    @property
    def lost(self) -> int:
        """Problems whose greedy answer was right and is not."""
        return sum(pair == ("1", "0") for pair in self._pairs())

    def _pairs(self) -> Iterator[tuple[str, str]]:
        return zip(self.before.greedy_outcomes, self.after.greedy_outcomes, strict=True)


class Grader:
    """Makes each task once and grades each completion of a problem once: cells have both in common."""

    def __init__(self, data_dir: Path | None) -> None:
        self._data_dir = data_dir
        self._tasks: dict[str, Task] = {}
        self._verdicts: dict[tuple[str, Problem, str, bool], Verdict] = {}

    def fingerprints(self, record: RunRecord) -> dict[str, str]:
        """Return those of all tasks that a record has scores of, by name."""
        names = {task for by_task in record.accuracy.values() for task in by_task}
        return {name: self._task(record, name)[1].fingerprint() for name in sorted(names)}

    def regrade(self, record: RunRecord, stored: StoredScore) -> Regraded:
        """Grade the samples of one score.

        Raises:
            RecordError: the task does not have their problems any more.
        """
        where = f"cell {record.cell_id}, {stored.task} {stored.split}"
        identity, task = self._task(record, stored.task)
        problems = {problem.id: problem for problem in task.problems(stored.split)}
        unknown = [row["problem_id"] for row in stored.rows if row["problem_id"] not in problems]
        if unknown:
            raise RecordError(f"{where}: the task has no problem {unknown[0]} any more; run the cell again")
        graded = [self._graded(identity, task, problems[row["problem_id"]], row) for row in stored.rows]
        greedy = [one for one in graded if one.temperature == 0]
        if problems_hash([one.problem for one in greedy]) != stored.score.problems_hash:
            raise RecordError(f"{where}: its samples are of other problems than its score; run the cell again")
        after = score(greedy, [one for one in graded if one.temperature > 0], stored.score.k)
        changed = sum(one.verdict.correct != row["correct"] for one, row in zip(graded, stored.rows, strict=True))
        return Regraded(stored.role, stored.task, stored.split, stored.score, after, changed)

    def _task(self, record: RunRecord, name: str) -> tuple[str, Task]:
        """Return a task and what names it among all cells."""
        settings = dict(score_tasks(record.cell)[name])
        identity = str(sorted(settings.items()))
        if identity not in self._tasks:
            self._tasks[identity] = task_registry.create(settings, self._data_dir)
        return identity, self._tasks[identity]

    def _graded(self, identity: str, task: Task, problem: Problem, row: dict[str, Any]) -> Graded:
        truncated = row["finish_reason"] == "length"
        key = (identity, problem, row["completion"], truncated)
        if key not in self._verdicts:
            self._verdicts[key] = task.verify(row["completion"], problem, truncated)
        completion = Completion(row["completion"], row["tokens"], row["logprob_sum"], truncated)
        return Graded(problem, row["sample"], row["temperature"], completion, self._verdicts[key])
