"""Claims on clipping need clipped tokens: with none the settings of the clip range change nothing at all."""

from rlvr_bench.report.clipping import metric_of
from rlvr_bench.studies.claim import Claim
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun

REGION = "clip_ratio/region_mean"


def refuse_unclipped(claim: Claim, evidence: Evidence) -> None:
    """Raise NoEvidence where no token was clipped in any of the runs of a choice that the claim names as `clipped`."""
    for choice in claim.clipped:
        runs = evidence.select(claim.asked[choice])
        if not any(map(clipped_share, runs)):
            raise NoEvidence(
                f"nothing was clipped in {len(runs)} runs: narrow the clip range or raise the learning rate"
            )


def clipped_share(run: EvidenceRun) -> float:
    """Return the mean share of clipped tokens over the steps of a run, 0 without any record of them."""
    shares = metric_of(run.steps, REGION)
    return sum(shares) / len(shares) if shares else 0.0
