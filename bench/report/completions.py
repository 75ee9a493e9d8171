"""A few completions of a run, right and wrong ones, with what was asked."""

from collections.abc import Sequence
from typing import Any

from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.samples import cells_with_samples, read_samples
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families import FAMILIES
from rlvr_bench.tasks.problem import Problem

RIGHT, WRONG = 2, 3
READ = ("split", "problem_id", "completion", "parsed", "correct", "reason", "finish_reason")
LONGEST = 400
"""Characters of a completion that are shown."""


class Completions:
    """Finds samples in the cache. The problems of a task are made once."""

    def __init__(self) -> None:
        self._kept = cells_with_samples()
        self._problems: dict[str, dict[str, Problem]] = {}
        self.faults: list[str] = []

    def of(self, record: RunRecord) -> list[dict[str, Any]]:
        """Return greedy completions of a run, wrong ones, then right ones; none if its samples are elsewhere.

        From the test split of the trained task, or from its validation split if test was not scored.
        """
        if record.cell_id not in self._kept:
            return []
        try:
            where = {"model": "tuned", "task": record.keys.task["name"], "temperature": 0.0}
            return self._chosen(record, read_samples(record.cell_id, columns=READ, where=where))
        except RecordError as fault:
            self.faults.append(str(fault))
            return []

    def _chosen(self, record: RunRecord, tuned: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        scored = [row for row in tuned if row["split"] == "test"] or tuned
        wrong = [row for row in scored if not row["correct"]][:WRONG]
        right = [row for row in scored if row["correct"]][:RIGHT]
        return [self._shown(record, row) for row in wrong + right]

    def _shown(self, record: RunRecord, row: dict[str, Any]) -> dict[str, Any]:
        problem = self._of_task(record.keys.task).get(row["problem_id"])
        text = row["completion"]
        shown = {"completion": text[:LONGEST] + "…" * (len(text) > LONGEST), "reason": row["reason"]}
        shown |= {"parsed": row["parsed"], "finish": row["finish_reason"]}
        if problem is not None:
            shown |= {"question": problem.question[:LONGEST], "answer": problem.answer}
        return shown

    def _of_task(self, settings: dict[str, Any]) -> dict[str, Problem]:
        """Return the problems of a generated task by id; of others none: their data may not be on this machine."""
        if settings["name"] not in FAMILIES:
            return {}
        key = repr(sorted(settings.items()))
        if key not in self._problems:
            self._problems[key] = {problem.id: problem for problem in _generated(settings)}
        return self._problems[key]


def _generated(settings: dict[str, Any]) -> list[Problem]:
    """Return the problems that are scored; none if this version no longer takes these settings of an old record."""
    try:
        task = task_registry.create(settings)
        return [*task.problems("test"), *task.problems("validation")]
    except TaskError:
        return []
