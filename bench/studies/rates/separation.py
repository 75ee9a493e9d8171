"""Whether methods that are good on one base are good on another: two groups of methods, named before the runs.

The unit is a method. A method's score is its mean greedy test accuracy over seeds, at its best rate.
"""

from collections.abc import Mapping, Sequence
from math import log10
from statistics import fmean

import numpy as np

from rlvr_bench.stats.rank_sum import rank_sum_p, shift
from rlvr_bench.studies.contrasts import greedy_outcomes, having
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where, at_best_rates
from rlvr_bench.studies.finding import Finding, Interval

PARAMETERS = "trainable_parameters"


def group_separation(
    evidence: Evidence, best: Sequence[str], worst: Sequence[str], runs: Where, beyond: str | None = None
) -> Finding:
    """By how much the accuracies of methods `best` lie above those of `worst`: a shift with its exact interval.

    Args:
        evidence: of one base model.
        best: names of methods that are expected to be good.
        worst: names of methods that are expected to be poor.
        runs: which runs.
        beyond: "trainable_parameters" takes off every score what the logarithm of that number predicts, by a
            least-squares line over all methods that were run; None takes off nothing.
    """
    # Trials have names of their own and are scored on validation problems: they are no methods of this comparison.
    pairs = having(evidence.select(runs), greedy_outcomes, "a greedy test score")
    means = {run.record.cell_id: value.mean for run, value in pairs}
    by_method: dict[str, list[EvidenceRun]] = {}
    for run in at_best_rates([run for run, _ in pairs]):
        by_method.setdefault(run.record.keys.method_name, []).append(run)
    if missing := [name for name in (*best, *worst) if name not in by_method]:
        raise NoEvidence(f"no runs of {', '.join(missing)}")
    scores = {name: fmean(means[run.record.cell_id] for run in group) for name, group in by_method.items()}
    if beyond is not None:
        scores = _residuals(scores, by_method, beyond)
    good, poor = ([scores[name] for name in names] for names in (best, worst))
    found = shift(good, poor)
    interval = Interval(found.estimate, found.low, found.high, lambda at: rank_sum_p(good, poor, at))
    sides = ([run for name in names for run in by_method[name]] for names in (best, worst))
    return Finding.of(interval, *sides, note=f"{len(best)} methods against {len(worst)}")


def _residuals(
    scores: Mapping[str, float], by_method: Mapping[str, Sequence[EvidenceRun]], key: str
) -> dict[str, float]:
    """Return the scores less what a line in the logarithm of an attested number says of them."""
    counts = {name: [(run.record.attestation or {}).get(key) for run in group] for name, group in by_method.items()}
    if unattested := [name for name, values in counts.items() if not all(values)]:
        raise NoEvidence(f"a record of {unattested[0]} has no attested {key}")
    places = np.array([log10(fmean(float(value) for value in counts[name] if value)) for name in scores])
    values = np.array(list(scores.values()))
    if not np.ptp(places):
        raise NoEvidence(f"all methods have the same {key}, which then predicts nothing")
    slope, intercept = np.polyfit(places, values, 1)
    return dict(zip(scores, (values - slope * places - intercept).tolist(), strict=True))
