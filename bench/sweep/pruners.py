"""How a sweep stops a trial early, with what it reports to Optuna's pruner.

`median` watches the running cell: every few optimizer steps the mean accuracy of the last rollout batches, against the
median of earlier trials at the same step of the same seed. `wilcoxon` judges between seeds: problems in fixed blocks,
paired with the best trial's by a signed-rank test (Wilcoxon 1945), so that luck with one seed is not taken for quality.
"""

import warnings
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import optuna
from optuna import Trial
from optuna.pruners import BasePruner, MedianPruner, NopPruner, WilcoxonPruner

from rlvr_bench.cell.events import Event
from rlvr_bench.record.schema import RunRecord

Pruner = Literal["none", "median", "wilcoxon"]

REPORT_EVERY = 5
"""Optimizer steps between two reports of a running cell."""

WINDOW = 10
"""Rollout batches that a report is the mean of."""

STARTUP_TRIALS = 4
"""Finished trials before the median means anything."""

BLOCKS = 32
"""Groups of validation problems; problem i is in group i modulo this."""

P_VALUE = 0.1
"""Of the signed-rank test below which a trial is stopped; Optuna's default."""


def create(name: Pruner, steps: int) -> BasePruner:
    """Return Optuna's pruner; the median leaves the first quarter of a cell's `steps` alone."""
    if name == "median":
        return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=steps // 4, interval_steps=1)
    if name == "wilcoxon":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return WilcoxonPruner(p_threshold=P_VALUE)
    return NopPruner()


@dataclass(slots=True)
class Reports:
    """What one trial has reported; `seeds` counts its finished seeds."""

    pruner: Pruner
    trial: Trial
    steps: int
    seeds: int = 0
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def hear(self, event: Event) -> bool:
        """Take an event of the running cell; return whether to stop it."""
        value = event.accuracy if event.accuracy is not None else event.reward
        if self.pruner != "median" or event.stage != "train" or value is None:
            return False
        self.recent.append(value)
        if event.done % REPORT_EVERY:
            return False
        self.trial.report(sum(self.recent) / len(self.recent), self.seeds * self.steps + event.done)
        return self.trial.should_prune()

    def take(self, record: RunRecord) -> bool:
        """Take the record of a finished seed; return whether the trial's other seeds are not worth running."""
        place, self.seeds = self.seeds, self.seeds + 1
        self.recent.clear()
        if self.pruner != "wilcoxon":
            return False
        for block, accuracy in enumerate(block_accuracies(record)):
            self.trial.report(accuracy, place * BLOCKS + block)
        return self.trial.should_prune()


def block_accuracies(record: RunRecord) -> list[float]:
    """Return the greedy validation accuracy of each block of problems; none where there is no such score."""
    score = record.score("tuned", str(record.keys.task["name"]), "validation")
    outcomes = [float(digit) for digit in score.greedy_outcomes] if score is not None else []
    blocks = [outcomes[start::BLOCKS] for start in range(min(BLOCKS, len(outcomes)))]
    return [sum(block) / len(block) for block in blocks]
