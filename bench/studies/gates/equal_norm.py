"""Two kinds of runs at the same size of update.

A larger update rotates more and changes more entries, whatever made it. So runs `b` at several learning rates are taken
as a curve of a figure over |W+ - W0| / |W0|, and each run of `a` is compared with the curve at its own norm.
"""

from collections.abc import Sequence
from math import log

import numpy as np

from rlvr_bench.record.schema import Score
from rlvr_bench.studies.contrasts import SAME, exponential, over_seeds, paired_strata
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, Interval

NORM = "geometry.relative_norm"
ACCURACY = "accuracy"
"""In the place of a figure: greedy accuracy on the trained task's test split."""


def equal_norm_ratio(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Geometric mean of a positive figure of runs `a` over that of runs `b` of the same seed and update norm."""
    return exponential(_compare(evidence, figure, a, b, match, logarithm=True))


def equal_norm_difference(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Mean difference of a figure between runs `a` and runs `b` of the same seed and update norm."""
    return _compare(evidence, figure, a, b, match, logarithm=False)


def _compare(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str], *, logarithm: bool) -> Finding:
    """Average over the runs of a setting, then over settings; seeds are what is independent."""
    differences: list[tuple[EvidenceRun, float]] = []
    used: list[EvidenceRun] = []
    beyond = 0
    for ones, others in paired_strata(evidence.select(a), evidence.select(b), (*match, "seed")):
        curve = sorted(point for run in others if (point := _point(run, figure, logarithm)))
        for run in ones:
            point = _point(run, figure, logarithm)
            if point is None or len(curve) < 2 or not curve[0][0] <= point[0] <= curve[-1][0]:
                beyond += 1
                continue
            norms, values = zip(*curve, strict=True)
            differences.append((run, point[1] - float(np.interp(point[0], norms, values))))
            used += [run, *others]
    if not differences:
        raise NoEvidence(f"none of {beyond} runs has an update as large as those of two runs to compare it with")
    note = f"{beyond} runs have no counterpart of their norm" if beyond else ""
    interval = over_seeds(differences)
    return Finding.of(Interval(interval.estimate, interval.low, interval.high), used, note)


def _point(run: EvidenceRun, figure: str, logarithm: bool) -> tuple[float, float] | None:
    """Return the logarithm of a run's norm, and its figure or the logarithm of it."""
    norm, value = run.figure(NORM), _accuracy(run) if figure == ACCURACY else run.figure(figure)
    if not norm or value is None or (logarithm and value <= 0):
        return None
    return log(norm), log(value) if logarithm else value


def _accuracy(run: EvidenceRun) -> float | None:
    score: Score | None = run.record.score("tuned", run.record.keys.task["name"], "test")
    return score.greedy if score else None
