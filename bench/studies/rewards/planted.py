"""Contamination: gains on test problems that the base has read in pre-training, and whether it knows them by heart."""

from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where, value_at
from rlvr_bench.studies.finding import Finding, difference_interval
from rlvr_bench.studies.rewards.halves import gain_of, mean_over_runs


def planted_gain(evidence: Evidence, runs: Where) -> Finding:
    """Gain on the planted half minus gain on the clean half of the same run, mean over runs."""

    def value(run: EvidenceRun) -> Value | None:
        planted, clean = gain_of(run, "planted"), gain_of(run, "clean")
        return None if planted is None or clean is None else planted - clean

    return mean_over_runs(evidence, value, "a gain on both halves", runs)


def planted_completion(evidence: Evidence, share: int, runs: Where) -> Finding:
    """Share of planted minus share of clean test questions that the untrained base completes word for word.

    `share` is the per cent of the question that it was given. Problems are the unit: the base has no seeds.
    """
    for run in evidence.select(runs):
        contamination = value_at(run.record.measurement("contamination"), "base")
        digits = [value_at(contamination, f"{half}.{share}.outcomes") for half in ("planted", "clean")]
        if all(digits):
            planted, clean = ([float(digit) for digit in each] for each in digits)
            return Finding.of(difference_interval(planted, clean), [run])
    raise NoEvidence("no record has a contamination probe of planted problems; set measurements.contamination = true")
