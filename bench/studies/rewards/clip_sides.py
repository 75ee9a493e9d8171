"""What clipping does to the strategy, predicted and measured, and sampled accuracy beside the greedy one."""

from collections.abc import Sequence

import numpy as np

from rlvr_bench.leaderboard.row import test_score
from rlvr_bench.report.clipping import clipping
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, Settings


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
    """Spearman's correlation over settings of predicted and measured drift of the log-odds, each a mean over seeds.

    Args:
        evidence: of one base model.
        predicted: "expected" (from the spread) or "from_clips" (from what was clipped), see `report.clipping`.
        runs: which runs.
    """
    groups: dict[str, list[tuple[float, float]]] = {}
    used = []
    for run in evidence.select(runs):
        figures = clipping(run.setting("signal"), run.steps)
        if predicted in figures and "drift" in figures:
            used.append(run)
            groups.setdefault(repr(run.record.comparison), []).append((figures[predicted], figures["drift"]))
    if not used:
        raise NoEvidence("no records of several updates a batch have the log-odds at the strategy fork in their steps")
    pairs = [(float(np.mean([x for x, _ in each])), float(np.mean([y for _, y in each]))) for each in groups.values()]
    measured = [y for _, y in pairs]
    settings = Settings(len(pairs), min(measured), max(measured), None)
    return Finding.of(contrasts.rank_correlation(pairs), used, settings=settings)
