"""Do the order of methods and their best rates at one size of a model predict those at another?"""

from collections.abc import Mapping, Sequence
from math import log
from pathlib import PurePath
from statistics import fmean

from rlvr_bench.studies.contrasts import greedy_outcomes, having
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import RATE, Evidence, EvidenceRun, Where, at_best_rates
from rlvr_bench.studies.finding import Finding, exponential, mean_interval
from rlvr_bench.studies.orders import Scores, agreement, shared_methods

TYPE = "method.type"
"""The setting by which claims on sizes tell methods apart."""


def order_agreement(evidence: Evidence, runs: Where, other: str, by: str = "accuracy", named: str = TYPE) -> Finding:
    """Kendall's tau between the order of methods on this base and that on another, with its interval over methods.

    Args:
        evidence: of one base model.
        runs: which runs, on either base; each method at its rate with the best mean validation accuracy.
        other: the last name of the other base, a smaller one, or "trainable parameters", by whose number to order.
        by: "accuracy", mean greedy test accuracy over seeds, or "rate", the best learning rate.
        named: the setting that says which method a run is of; "method_name" tells methods of one type apart.
    """
    own = _by_method(evidence.select(runs), named)
    if other == "trainable parameters":
        compared = [run for group in own.values() for run in group]
        theirs: Scores = {method: _attested({method: group}, "trainable_parameters") for method, group in own.items()}
    else:
        beside = _smaller(evidence, other, runs, own, named)
        compared = [run for group in beside.values() for run in group]
        theirs = _scores(beside, by)
    ours = _scores(own, by)
    shared = shared_methods(ours, theirs)
    used = [run for name in shared for run in own[name]]
    tau = agreement(ours, theirs, f"{evidence.base}/{other}")
    return Finding.of(tau, used, compared, note=f"{len(shared)} methods")


def rate_shift(evidence: Evidence, runs: Where, other: str) -> Finding:
    """Geometric mean over methods of the best rate on this base over that on a smaller one; interval over methods."""
    own = _by_method(evidence.select(runs))
    beside = _smaller(evidence, other, runs, own)
    ours, theirs = _scores(own, "rate"), _scores(beside, "rate")
    shared = shared_methods(ours, theirs)
    shifts = mean_interval([log(ours[name] / theirs[name]) for name in shared])
    sides = [[run for name in shared for run in of[name]] for of in (own, beside)]
    return exponential(Finding.of(shifts, *sides, note=f"{len(shared)} methods"))


def _smaller(
    evidence: Evidence, name: str, runs: Where, own: Mapping[str, Sequence[EvidenceRun]], named: str = TYPE
) -> dict[str, list[EvidenceRun]]:
    """Return the runs of each method on the other base, which is smaller than that of the `own` ones."""
    beside = _by_method(_beside(evidence, name).select(runs), named)
    if _attested(own, "total_parameters") <= _attested(beside, "total_parameters"):
        raise NoEvidence(f"{name} is not smaller: it is what a prediction starts from")
    return beside


def _beside(evidence: Evidence, name: str) -> Evidence:
    """Return the evidence on the other base of that last name under the same schema."""
    for each in evidence.beside:
        if PurePath(each.base).name == name and each.schema == evidence.schema:
            return each
    raise NoEvidence(f"no records on {name}")


def _by_method(runs: Sequence[EvidenceRun], named: str = TYPE) -> dict[str, list[EvidenceRun]]:
    """Return the runs of each method at its best rate."""
    grouped: dict[str, list[EvidenceRun]] = {}
    for run in at_best_rates(runs):
        grouped.setdefault(str(run.setting(named)), []).append(run)
    return grouped


def _scores(runs: Mapping[str, Sequence[EvidenceRun]], by: str) -> Scores:
    if by == "rate":
        return {method: fmean(float(run.setting(RATE)) for run in group) for method, group in runs.items()}
    return {
        method: fmean(value.mean for _, value in having(group, greedy_outcomes, "a greedy test score"))
        for method, group in runs.items()
    }


def _attested(runs: Mapping[str, Sequence[EvidenceRun]], key: str) -> float:
    """Return the mean of a number of the runs' attestations."""
    counts = [(run.record.attestation or {}).get(key) for group in runs.values() for run in group]
    if not counts or any(count is None for count in counts):
        raise NoEvidence(f"a record has no attested {key}")
    return fmean(float(count) for count in counts if count is not None)
