"""What a noisy verifier costs: where accuracy ends once it no longer rises, and how long it takes to get there.

"Rate" is the number of steps to a given accuracy, "fate" the accuracy of a curve that has become flat. A run that still
rises says nothing of its fate.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import log

import numpy as np

from rlvr_bench.record.steps import recorded
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, exponential
from rlvr_bench.studies.rewards.halves import WINDOW

FLAT = 0.03
"""Accuracy by which the last fifth of a flat curve may lie above the fifth before it."""


def settled_accuracy_difference(
    evidence: Evidence, a: Where, b: Where, match: Sequence[str] = contrasts.SAME
) -> Finding:
    """Accuracy of the last fifth of the rollouts of runs `a` minus that of `b`, runs with a flat curve alone."""
    found = contrasts.contrast(evidence, settled_accuracy, "a curve that is flat", a, b, match)
    rising = sum(settled_accuracy(run) is None for where in (a, b) for run in evidence.select(where))
    left_out = f"{rising} runs whose curve still rises are left out" if rising else ""
    return replace(found, note="; ".join(filter(None, (found.note, left_out))))


def time_ratio(
    evidence: Evidence, accuracy: float, a: Where, b: Where, match: Sequence[str] = contrasts.SAME
) -> Finding:
    """Steps that runs `a` take to an accuracy of their rollouts over those of `b`, geometric means."""

    def logarithm(run: EvidenceRun) -> float | None:
        steps = steps_to(_accuracies(run), accuracy)
        return None if steps is None else log(steps)

    return exponential(contrasts.contrast(evidence, logarithm, f"an accuracy of {accuracy:g}", a, b, match))


def settled_accuracy(run: EvidenceRun) -> float | None:
    """Return the accuracy of the last fifth of the rollout batches; None where the curve is short or still rises."""
    accuracies = _accuracies(run)
    fifth = len(accuracies) // 5
    if fifth < WINDOW:
        return None
    last, before = accuracies[-fifth:].mean(), accuracies[-2 * fifth : -fifth].mean()
    return float(last) if last - before < FLAT else None


def steps_to(accuracies: np.ndarray[tuple[int], np.dtype[np.float64]], accuracy: float) -> int | None:
    """Return the end of the first window of rollout batches with this mean accuracy; None where there is none."""
    if len(accuracies) < WINDOW:
        return None
    means = np.convolve(accuracies, np.full(WINDOW, 1 / WINDOW), "valid")
    reached = np.flatnonzero(means >= accuracy)
    return int(reached[0]) + WINDOW if len(reached) else None


def _accuracies(run: EvidenceRun) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(recorded(run.steps, "accuracy"), dtype=np.float64)
