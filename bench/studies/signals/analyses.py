"""Analyses of claims on learning signals, transfer and what training does to the distribution.

Each is a pure function of the evidence on one base model; the numbers of single runs are in `figures`.
"""

from collections.abc import Callable, Mapping, Sequence
from math import log2
from statistics import fmean

import numpy as np

from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies.contrasts import SAME, Figure, contrast, greedy_outcomes, having, over_seeds
from rlvr_bench.studies.errors import FindingsError, NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Analysis, Finding
from rlvr_bench.studies.interpolation import difference_at_equal
from rlvr_bench.studies.signals import sizes, updates
from rlvr_bench.studies.signals.figures import FIGURES, gain_on_families


def signal_mean(evidence: Evidence, figure: str, runs: Where, learned: float | None = None) -> Finding:
    """The mean of a signal figure over settings, with its interval over seeds.

    Raises:
        NoEvidence: the runs gained less than `learned` on their task: what learning does was not seen in them.
    """
    pairs = having(evidence.select(runs), _figure(figure), figure)
    if learned is not None:
        gained = over_seeds(having([run for run, _ in pairs], _figure("gain"), "gain")).estimate
        if gained < learned:
            raise NoEvidence(f"nothing was learned: a gain of {gained:.3f} on average, {learned:g} is asked for")
    return over_seeds(pairs)


def signal_difference(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Mean of a signal figure over runs `a` minus that over runs `b`, averaged over the strata that have both."""
    return contrast(evidence, _figure(figure), figure, a, b, match)


def equal_accuracy_difference(
    evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME
) -> Finding:
    """Mean of a signal figure over runs `a` minus that of runs `b` of the same seed and accuracy on their task."""

    def place(run: EvidenceRun) -> float | None:
        outcomes = greedy_outcomes(run)
        return None if outcomes is None else outcomes.mean

    return difference_at_equal(evidence, _figure(figure), place, "accuracy", a, b, match)


def figure_difference(evidence: Evidence, one: str, other: str, runs: Where) -> Finding:
    """Mean over runs of one signal figure minus another of the same run: in-family minus out-of-family transfer."""
    first, second = _figure(one), _figure(other)

    def within(run: EvidenceRun) -> Value | None:
        values = [
            each if isinstance(each, Value) or each is None else Value(each) for each in (first(run), second(run))
        ]
        return None if values[0] is None or values[1] is None else values[0] - values[1]

    return over_seeds(having(evidence.select(runs), within, f"{one} and {other}"))


def family_slope(evidence: Evidence, runs: Where, held_out: Sequence[str]) -> Finding:
    """Slope of the mean gain on the `held_out` families per doubling of the number of training families.

    Runs on one family count with m = 1.

    Raises:
        NoEvidence: a run trained on one of the held-out families, or all on as many.
    """
    for run in evidence.select(runs):
        if taught := set(run.setting("task.families") or [run.setting("task.name")]) & set(held_out):
            raise NoEvidence(f"{', '.join(sorted(taught))} is held out, but cell {run.record.cell_id} trained on it")
    families = gain_on_families(held_out)
    return _slope(evidence, runs, families, lambda run: log2(len(run.setting("task.families") or [""])))


def cold_gain(evidence: Evidence, runs: Where, below: float) -> Finding:
    """Mean gain of the runs whose base has a sampled accuracy of at most `below` on the trained task."""
    gains = having(evidence.select(runs), _figure("gain"), "gain")
    cold = [(run, value) for run, value in gains if (start := _base_sampled(run)) is not None and start <= below]
    if not cold:
        raise NoEvidence(f"no base has a sampled accuracy of at most {below:g} on its task")
    return over_seeds(cold)


def repeats_slope(evidence: Evidence, figure: str, runs: Where) -> Finding:
    """Slope of a signal figure per doubling of how often the run met each of its problems.

    Runs with `train_problems` = n met each 1 / n as often as a run on one would; only the doubling counts.
    """

    def place(run: EvidenceRun) -> float | None:
        few = run.setting("signal.train_problems")
        return -log2(float(few)) if few else None

    return _slope(evidence, runs, _figure(figure), place)


def _slope(evidence: Evidence, runs: Where, figure: Figure, place: Callable[[EvidenceRun], float | None]) -> Finding:
    """Return the least-squares slope of settings' means on their places, which is a weighted sum of these means."""
    gains = having(evidence.select(runs), figure, "gains on those tasks")
    places = {run.record.cell_id: at for run, _ in gains if (at := place(run)) is not None}

    def weights(settings: Sequence[Sequence[EvidenceRun]]) -> list[float]:
        middles = np.array([fmean(places[run.record.cell_id] for run in group) for group in settings])
        if not np.ptp(middles):
            raise NoEvidence("no runs at two places, which a slope needs")
        apart = middles - middles.mean()
        return list(apart / (apart**2).sum())

    placed = [(run, value) for run, value in gains if run.record.cell_id in places]
    if not placed:
        raise NoEvidence(f"none of {len(gains)} records has a place on the line")
    return over_seeds(placed, weights)


def _base_sampled(run: EvidenceRun) -> float | None:
    score = run.record.score("base", str(run.record.keys.task["name"]), "test")
    return score.avg_k if score else None


def _figure(name: str) -> Figure:
    if name not in FIGURES:
        raise FindingsError(f"unknown signal figure {name!r}{did_you_mean(name, FIGURES)}")
    return FIGURES[name]


ANALYSES: Mapping[str, Analysis] = {
    "signal-mean": signal_mean,
    "signal-difference": signal_difference,
    "equal-accuracy-difference": equal_accuracy_difference,
    "figure-difference": figure_difference,
    "family-slope": family_slope,
    "cold-gain": cold_gain,
    "repeats-slope": repeats_slope,
    "order-agreement": sizes.order_agreement,
    "rate-shift": sizes.rate_shift,
    "update-cosine": updates.update_cosine,
    "update-cosine-difference": updates.update_cosine_difference,
    "update-cosine-below-ceiling": updates.update_cosine_below_ceiling,
}
