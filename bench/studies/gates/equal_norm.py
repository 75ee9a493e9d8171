"""Two kinds of runs at the same size of update, |W+ - W0| / |W0|.

A larger update rotates more and changes more entries, whatever made it.
"""

from collections.abc import Sequence
from math import log

from rlvr_bench.studies.contrasts import SAME, greedy_outcomes, logarithm
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, exponential
from rlvr_bench.studies.interpolation import difference_at_equal

NORM = "geometry.relative_norm"
ACCURACY = "accuracy"
"""In the place of a figure: greedy accuracy on the trained task's test split."""


def equal_norm_ratio(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Geometric mean of a positive figure of runs `a` over that of runs `b` of the same seed and update norm."""
    return exponential(difference_at_equal(evidence, logarithm(figure), _size, "norm", a, b, match))


def equal_norm_difference(evidence: Evidence, figure: str, a: Where, b: Where, match: Sequence[str] = SAME) -> Finding:
    """Mean difference of a figure between runs `a` and runs `b` of the same seed and update norm."""
    value = greedy_outcomes if figure == ACCURACY else lambda run: run.figure(figure)
    return difference_at_equal(evidence, value, _size, "norm", a, b, match)


def _size(run: EvidenceRun) -> float | None:
    """Return the logarithm of the norm of a run's update."""
    norm = run.figure(NORM)
    return log(norm) if norm else None
