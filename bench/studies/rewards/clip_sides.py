"""What clipping does to the strategy, predicted and measured, and sampled accuracy beside the greedy one."""

from collections.abc import Sequence

import numpy as np

from rlvr_bench.leaderboard.row import test_score
from rlvr_bench.report.clipping import clipping
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, mean_interval

SETTINGS = 5
"""Fewest settings of which a rank correlation says anything."""


def sampled_gain(run: EvidenceRun) -> Value | None:
    """Return avg@k of the tuned model minus the base's, on the sampled test problems; None where either has none."""
    tuned, base = test_score(run.record, "tuned"), test_score(run.record, "base")
    if tuned is None or base is None or not tuned.sample_counts or not base.sample_counts:
        return None
    shares = [np.array(score.sample_counts) / (score.k or 1) for score in (tuned, base)]
    return Value(outcomes={f"{tuned.problem_set}/sampled": shares[0] - shares[1]})


def sampled_gain_difference(evidence: Evidence, a: Where, b: Where, match: Sequence[str] = contrasts.SAME) -> Finding:
    """Mean gain in avg@k of runs `a` minus that of runs `b`."""
    return contrasts.contrast(evidence, sampled_gain, "a gain in avg@k", a, b, match)


def drift_agreement(evidence: Evidence, predicted: str, runs: Where) -> Finding:
    """Spearman's correlation over settings of predicted and measured drift of the log-odds; its mean over seeds.

    Seeds with fewer than `SETTINGS` settings are left out.

    Args:
        evidence: of one base model.
        predicted: "expected" (from the spread) or "from_clips" (from what was clipped), see `report.clipping`.
        runs: which runs.
    """
    by_seed: dict[int, list[tuple[EvidenceRun, float, float]]] = {}
    for run in evidence.select(runs):
        figures = clipping(run.setting("signal"), run.steps)
        if predicted in figures and "drift" in figures:
            by_seed.setdefault(run.seed, []).append((run, figures[predicted], figures["drift"]))
    whole = [each for each in by_seed.values() if len(each) >= SETTINGS]
    if not whole:
        raise NoEvidence(
            f"no seed has the log-odds at the strategy fork in {SETTINGS} settings of several updates a batch"
        )
    correlations = [rank_correlation([x for _, x, _ in each], [y for _, _, y in each]) for each in whole]
    return Finding.of(mean_interval(correlations), [run for each in whole for run, _, _ in each])


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's correlation, 0 where one side is the same throughout."""
    from scipy.stats import rankdata  # two seconds that only this analysis costs

    ranks = [rankdata(values) for values in (one, other)]
    spreads = [float(np.std(each)) for each in ranks]
    return float(np.corrcoef(*ranks)[0, 1]) if all(spreads) else 0.0
