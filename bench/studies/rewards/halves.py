"""Accuracy and gain of one run on a test split, or on the half of it that organism-memorised has read in pre-training.

A gain is greedy accuracy on the trained task's test split minus the base's, problem by problem.
"""

import json
from functools import cache
from typing import Literal

from rlvr_bench.leaderboard.row import outcome_matrix, test_score
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.source import WEIGHTS
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import ModelRole
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding
from rlvr_bench.tasks import registry as task_registry

Half = Literal["all", "planted", "clean"]
"""Which test problems count: all, those that organism-memorised has read in pre-training, or the others."""

WINDOW = 10
"""Rollout batches in a window of accuracy."""


def mean_over_runs(evidence: Evidence, value: contrasts.Figure, name: str, runs: Where) -> Finding:
    """The mean of a value over the runs that have one; `name` says what is missing where none has."""
    return contrasts.over_seeds(contrasts.having(evidence.select(runs), value, name))


def gain_of(run: EvidenceRun, half: Half = "all") -> Value | None:
    """Greedy accuracy of the tuned model minus the base's on the half; None where either was not scored."""
    after, before = (accuracy_of(run, role, half) for role in ("tuned", "base"))
    return None if after is None or before is None else after - before


def accuracy_of(run: EvidenceRun, role: ModelRole = "tuned", half: Half = "all") -> Value | None:
    """Greedy accuracy on the trained task's test problems of the half; None where there is none."""
    score = test_score(run.record, role)
    if score is None:
        return None
    outcomes, name = outcome_matrix([score])[0], score.problem_set
    if half != "all":
        outcomes, name = outcomes[places_of(run, half)], f"{name}/{half}"
    return Value(outcomes={name: outcomes}) if len(outcomes) else None


def places_of(run: EvidenceRun, half: Half) -> list[int]:
    """Places of the half's problems in the test split of the run's task; none where the split holds no planted one."""
    ids = _test_ids(strict_json(run.setting("task")), str(run.setting("task_fingerprint")))
    planted = planted_ids()
    if not planted.intersection(ids):
        return []
    return [place for place, one in enumerate(ids) if (one in planted) == (half == "planted")]


@cache
def planted_ids() -> frozenset[str]:
    """Ids of the test problems that organism-memorised has read."""
    return frozenset(read_card(WEIGHTS / "organism-memorised").planted)


@cache
def _test_ids(settings: str, fingerprint: str) -> tuple[str, ...]:
    """Ids of a task's test problems; none where the task is not what it was when the fingerprint was taken."""
    task = task_registry.create(json.loads(settings))
    return tuple(problem.id for problem in task.problems("test")) if task.fingerprint() == fingerprint else ()
