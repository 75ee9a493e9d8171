"""Before a run: how small a difference its comparisons will find at each look, and what that costs.

Spreads are those of past runs of the same base, task and signal, wherever they were tuned: of a method's accuracy over
its sound seeds, of the difference of two methods over problems, and of one outcome around both. The number of test
problems is the planned one. What a claim needs follows: a true difference is found at the first look at which the
detectable one is as small. Everything here is a forecast: the claims themselves are `stats.looks`.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from statistics import median
from typing import Any

import numpy as np

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.plan.estimate import estimate
from rlvr_bench.record.schema import RunRecord, Score
from rlvr_bench.stats.looks import ALPHA, LOOKS, MARGIN
from rlvr_bench.stats.power import detectable_difference, planned_variance
from rlvr_bench.stats.random_effects import Floats, mean_squares
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.settings import validated
from rlvr_bench.train.collapse import relabelled

MOST_METHODS = 40
"""Past methods whose spreads are read: all pairs of more say the same and take long."""


@dataclass(frozen=True, slots=True)
class Spreads:
    """Standard deviations of a typical past method or pair, as `stats.power.planned_variance` takes them."""

    seed: float
    problem: float
    residual: float
    methods: int
    """Past methods that they are of."""


@dataclass(frozen=True, slots=True)
class Power:
    """One comparison of a plan.

    Attributes:
        problems: in the test split.
        rows: trained methods and the base.
        spreads: None without past runs of two seeds or more.
        differences: by look the true difference that a typical pair is separated by in 80 % of repetitions, were it
            the first of all pairs to be so; empty without spreads.
        minutes: by look, of all final cells up to it, at the past seconds of such cells; None where none tells.
    """

    comparison: str
    problems: int
    rows: int
    spreads: Spreads | None
    differences: Mapping[int, float]
    minutes: Mapping[int, float | None]

    @property
    def pairs(self) -> int:
        """Pairs of rows, each of which is tested."""
        return comb(self.rows, 2)

    def look_for(self, difference: float) -> int | None:
        """Return the first look that finds a true difference; None if none does."""
        return next((look for look, found in self.differences.items() if found <= difference), None)

    def as_document(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "comparison": self.comparison,
            "problems": self.problems,
            "rows": self.rows,
            "seed_sd": None if self.spreads is None else self.spreads.seed,
            "past_methods": 0 if self.spreads is None else self.spreads.methods,
            "looks": [
                {"look": look, "detectable_difference": self.differences.get(look), "core_minutes": self.minutes[look]}
                for look in LOOKS
            ],
            "look_for_margin": self.look_for(MARGIN),
        }


def power(final: Sequence[Cell], records: Sequence[RunRecord]) -> list[Power]:
    """Return the forecast of every comparison that final cells make, all their methods at equal seeds.

    Args:
        final: cells scored on the test split; others are left out.
        records: past runs, of the same experiment or others.
    """
    by_comparison: dict[str, list[Cell]] = defaultdict(list)
    for cell in final:
        if "test" in cell.evaluate.splits:
            by_comparison[cell.comparison].append(cell)
    return [_forecast(name, group, records) for name, group in by_comparison.items()]


def _forecast(comparison: str, group: Sequence[Cell], records: Sequence[RunRecord]) -> Power:
    firsts = list({cell.method_name: cell for cell in reversed(group)}.values())
    first, rows = firsts[0], len(firsts) + 1
    problems = _test_problems(first)
    spreads = spreads_of(_alike(first, records))
    found = {}
    if spreads is not None and problems > 1:
        alpha = ALPHA / len(LOOKS) / comb(rows, 2)
        for look in LOOKS:
            variance = planned_variance(look, problems, spreads.seed, spreads.problem, spreads.residual)
            found[look] = float(detectable_difference(variance, alpha))
    seconds = estimate(firsts, records).seconds
    minutes = {look: None if seconds is None else seconds * look / 60 for look in LOOKS}
    return Power(comparison, problems, rows, spreads, found, minutes)


def _test_problems(cell: Cell) -> int:
    """Return the problems of the test split that a task's settings ask for; 0 where its data decide."""
    settings = validated(task_registry.find(str(cell.task["name"])).settings, cell.task, "task")
    asked = getattr(settings, "test", None)
    return asked if isinstance(asked, int) else 0


def _alike(cell: Cell, records: Iterable[RunRecord]) -> list[RunRecord]:
    """Return the sound runs of the same base, task, signal and reward with a greedy score on their test split."""
    return [
        record
        for record in records
        if record.keys.base["name"] == cell.base.name
        and record.keys.task["name"] == cell.task["name"]
        and record.keys.signal["type"] == cell.signal.type
        and record.keys.reward == cell.reward
        and _test(record) is not None
        and relabelled(record, lambda _: ()).status == "done"
    ]


def _test(record: RunRecord) -> Score | None:
    score = record.score("tuned", str(record.keys.task["name"]), "test")
    return score if score is not None and score.greedy_outcomes and score.n > 1 else None


def spreads_of(records: Iterable[RunRecord]) -> Spreads | None:
    """Return the typical spreads of sound runs; None if no method has two seeds on the same problems.

    Of several problem sets those of the most runs count.
    """
    groups: dict[str, dict[tuple[str, float | None], dict[int, Score]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        score = _test(record)
        if score is not None:
            keys = record.keys
            groups[score.problem_set][f"{record.comparison} {keys.method_name}", keys.learning_rate][keys.seed] = score
    if not groups:
        return None
    largest = max(groups.values(), key=lambda methods: sum(len(seeds) for seeds in methods.values()))
    tables = [_table(seeds.values()) for seeds in largest.values() if len(seeds) > 1][:MOST_METHODS]
    if not tables:
        return None
    parts = [mean_squares(table) for table in tables]
    over_seeds = [max(part.seeds - part.residual, 0.0) / part.problem_count for part in parts]
    residuals = [part.residual for part in parts]
    return Spreads(
        seed=float(np.sqrt(np.median(over_seeds))),
        problem=_between_problems(tables, residuals),
        residual=float(np.sqrt(np.median(residuals))),
        methods=len(tables),
    )


def _between_problems(tables: Sequence[Floats], residuals: Sequence[float]) -> float:
    """Return the standard deviation over problems of a typical pair's difference, as over endlessly many seeds."""
    means = [table.mean(axis=0) for table in tables]
    noise = [residual / len(table) for residual, table in zip(residuals, tables, strict=True)]
    pairs = combinations(range(len(tables)), 2)
    variances = [float((means[i] - means[j]).var(ddof=1)) - noise[i] - noise[j] for i, j in pairs]
    typical = median(variances) if variances else float(means[0].var(ddof=1)) - noise[0]
    return float(np.sqrt(max(typical, 0.0)))


def _table(scores: Iterable[Score]) -> Floats:
    digits = [np.frombuffer(score.greedy_outcomes.encode(), dtype=np.uint8) for score in scores]
    return np.array(digits, dtype=np.float64) - ord("0")
