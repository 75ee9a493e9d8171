"""Analyses of claims on learning signals, transfer and what training does to the distribution.

Each is a pure function of the evidence on one base model; the numbers of single runs are in `signal_figures`.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import log2
from statistics import fmean

import numpy as np

from bench.experiment.scored import label, score_tasks
from bench.findings.contrasts import SAME, Figure, contrast, having
from bench.findings.errors import FindingsError, NoEvidence
from bench.findings.evidence import Evidence, Run, Where
from bench.findings.finding import Finding, mean_interval
from bench.findings.signal_figures import FIGURES, gain_on_families
from bench.models.suggestion import did_you_mean


def signal_mean(evidence: Evidence, figure: str, runs: Where) -> Finding:
    """The mean of a signal figure over runs; its interval is over seeds."""
    read = _figure(figure)
    kept = having(evidence.select(runs), read, figure)
    return Finding.of(mean_interval([value for _, value in kept]), [run for run, _ in kept])


def signal_difference(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Mean of a signal figure over runs `a` minus that over runs `b`, averaged over the strata that have both."""
    return contrast(evidence, _figure(figure), figure, a, b, match)


def figure_difference(evidence: Evidence, one: str, other: str, runs: Where) -> Finding:
    """Mean over runs of one signal figure minus another of the same run: in-family minus out-of-family transfer."""
    first, second = _figure(one), _figure(other)

    def within(run: Run) -> float | None:
        values = first(run), second(run)
        return None if values[0] is None or values[1] is None else values[0] - values[1]

    kept = having(evidence.select(runs), within, f"{one} and {other}")
    return Finding.of(mean_interval([value for _, value in kept]), [run for run, _ in kept])


def family_slope(evidence: Evidence, runs: Where, held_out: Sequence[str]) -> Finding:
    """Slope of the mean gain on the `held_out` families per doubling of the number of training families, per seed.

    Runs on one family count with m = 1; a seed needs two different m.

    Raises:
        NoEvidence: a run trained on one of the held-out families.
    """
    for run in evidence.select(runs):
        if taught := set(run.setting("task.families") or [run.setting("task.name")]) & set(held_out):
            raise NoEvidence(f"{', '.join(sorted(taught))} is held out, but cell {run.record.cell_id} trained on it")
    families = gain_on_families(held_out)
    return _slope(evidence, runs, families, lambda run: log2(len(run.setting("task.families") or [""])))


def base_slope(evidence: Evidence, runs: Where, figure: str = "gain") -> Finding:
    """Slope of a figure on the base's sampled accuracy on the trained task: one per seed, over tasks of all levels."""
    return _slope(evidence, runs, _figure(figure), _base_sampled)


def cold_gain(evidence: Evidence, runs: Where, below: float) -> Finding:
    """Mean gain of the runs whose base has a sampled accuracy of at most `below` on the trained task."""
    kept = having(evidence.select(runs), _figure("gain"), "gain")
    cold = [(run, value) for run, value in kept if (start := _base_sampled(run)) is not None and start <= below]
    if not cold:
        raise NoEvidence(f"no base has a sampled accuracy of at most {below:g} on its task")
    return Finding.of(mean_interval([value for _, value in cold]), [run for run, _ in cold])


def transfer_matrix(runs: Sequence[Run]) -> dict[str, dict[str, float]]:
    """Return mean accuracy gains over seeds: {trained task: {scored task: T_ij = acc_j(train i) - acc_j(base)}}."""
    gains: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for name, task in score_tasks(run.record.cell).items():
            tuned, base = run.record.score("tuned", name, "test"), run.record.score("base", name, "test")
            if tuned and base and tuned.greedy is not None and base.greedy is not None:
                gains[label(run.record.keys.task)][label(task)].append(tuned.greedy - base.greedy)
    return {row: {column: fmean(values) for column, values in columns.items()} for row, columns in gains.items()}


def _slope(evidence: Evidence, runs: Where, figure: Figure, place: Figure) -> Finding:
    by_seed: dict[int, list[tuple[float, float, Run]]] = defaultdict(list)
    for run, value in having(evidence.select(runs), figure, "gains on those tasks"):
        if (at := place(run)) is not None:
            by_seed[run.seed].append((at, value, run))
    usable = {seed: points for seed, points in by_seed.items() if len({at for at, _, _ in points}) > 1}
    if not usable:
        raise NoEvidence("no seed has runs at two places, which a slope needs")
    slopes = [
        float(np.polyfit([at for at, _, _ in points], [value for _, value, _ in points], 1)[0])
        for points in usable.values()
    ]
    return Finding.of(mean_interval(slopes), [run for points in usable.values() for _, _, run in points])


def _base_sampled(run: Run) -> float | None:
    score = run.record.score("base", str(run.record.keys.task["name"]), "test")
    return score.avg_k if score else None


def _figure(name: str) -> Figure:
    if name not in FIGURES:
        raise FindingsError(f"unknown signal figure {name!r}{did_you_mean(name, FIGURES)}: {', '.join(FIGURES)}")
    return FIGURES[name]
