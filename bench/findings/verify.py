"""Analyses of one-token verification: pure functions of the documents of `rlvr-bench think --train`.

Problems are the unit: intervals are over the test problems of one document. Where a base has several documents (tasks,
levels), differences are averaged and their intervals are of the average, the documents taken as independent.
"""

from collections.abc import Callable, Mapping
from math import sqrt
from statistics import fmean
from typing import Any

import numpy as np

from bench.findings.errors import NoEvidence
from bench.findings.evidence import Evidence
from bench.findings.finding import Finding
from bench.protocol import estimate
from bench.protocol.bootstrap import percentiles, resample_counts

Document = dict[str, Any]
TENTH = 0.1


def verifier_difference(evidence: Evidence, a: str, b: str) -> Finding:
    """Within-problem AUROC of verifier `a` minus that of `b` at the end of the trace, bootstrap over problems."""

    def of(document: Document) -> estimate.Estimate | None:
        one, other = _pairs(document, a), _pairs(document, b)
        if one is None or other is None or not one[:, 1].sum():
            return None
        draws = resample_counts("verify/problems", len(one))
        count = draws @ one[:, 1]
        drawn = (draws @ (one[:, 0] - other[:, 0]))[count > 0] / count[count > 0]
        return percentiles(float((one[:, 0] - other[:, 0]).sum() / one[:, 1].sum()), drawn)

    return _mean(evidence, of, f"verifiers {a} and {b}")


def vote_difference(evidence: Evidence, a: Mapping[str, str], b: Mapping[str, str]) -> Finding:
    """Accuracy of vote `a` of all whole traces minus `b`; each names a verifier ("" for none) and an aggregator."""

    def of(document: Document) -> estimate.Estimate | None:
        points = [point for point in document["frontier"] if not point["live"]]
        most = max((point["n"] for point in points), default=0)
        return _accuracy_difference(*(_vote(points, most, side) for side in (a, b)))

    return _mean(evidence, of, f"votes {dict(a)} and {dict(b)}")


def tenth_of_tokens(evidence: Evidence, verifier: str) -> Finding:
    """Accuracy for a tenth of the tokens, by the policy that validation chose, minus the full majority vote's."""

    def of(document: Document) -> estimate.Estimate | None:
        live = [point for point in document["frontier"] if point["live"]]
        chosen = [p for p in live if p.get("chosen_for_share") == TENTH and p["verifier"] == verifier]
        full = [p for p in live if p["policy"] == "full" and p["aggregator"] == "majority"]
        return _accuracy_difference(next(iter(chosen), None), next(iter(full), None))

    return _mean(evidence, of, f"a policy of {verifier} for a tenth of the tokens")


def _pairs(document: Document, name: str) -> Any:
    """Won and all pairs by problem, shape (problems, 2); None without the verifier."""
    found = next((each for each in document["verifiers"] if each["name"] == name), None)
    return None if found is None else np.array(found["pairs_by_problem"], dtype=np.float64)


def _vote(points: list[Document], most: int, side: Mapping[str, str]) -> Document | None:
    asked = (side["verifier"] or None, side["aggregator"], most)
    return next((point for point in points if (point["verifier"], point["aggregator"], point["n"]) == asked), None)


def _accuracy_difference(one: Document | None, other: Document | None) -> estimate.Estimate | None:
    if one is None or other is None:
        return None
    first, second = (np.array([[float(digit) for digit in point["outcomes"]]]) for point in (one, other))
    return estimate.difference(first, second)


def _mean(evidence: Evidence, of: Callable[[Document], estimate.Estimate | None], what: str) -> Finding:
    """Average over the documents that have it. Raises NoEvidence if none does."""
    found = [(document, value) for document in evidence.verify if (value := of(document)) is not None]
    if not found:
        raise NoEvidence(f"none of {len(evidence.verify)} verification documents has {what}")
    values = [value for _, value in found]
    mean, count = fmean(value.mean for value in values), len(values)
    below = sqrt(sum((value.mean - value.low) ** 2 for value in values)) / count
    above = sqrt(sum((value.high - value.mean) ** 2 for value in values)) / count
    names = ", ".join(str(document["name"]) for document, _ in found)
    return Finding(mean, mean - below, mean + above, note=f"interval over problems; from {names}")
