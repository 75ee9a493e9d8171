"""Analyses of one-token verification: pure functions of the documents of `rlvr-bench think --train`.

Documents on the same traces are trainings of one study: intervals are over its test problems and, with several, over
trainings. Where a base has several studies (tasks, levels), differences are averaged and their intervals are of the
average, the studies taken as independent.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.special import bdtr, bdtrc, stdtrit

from rlvr_bench.stats import estimate
from rlvr_bench.stats.bootstrap import percentiles, resample_counts
from rlvr_bench.stats.broken import broken_share
from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.studies.contrasts import having, over_seeds
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import CONFIDENCE, Analysis, Finding
from rlvr_bench.thinking.measures import risk_coverage_area

Document = dict[str, Any]
Study = Sequence[Document]
"""Documents that differ in the seed of the trainings."""

TENTH = 0.1


def scorer_difference(evidence: Evidence, a: str, b: str, studies: Sequence[str] = ()) -> Finding:
    """Within-problem AUROC of scorer `a` minus that of `b` at the end of the trace, over problems and trainings.

    Args:
        studies: names of the studies that are judged, which are those of their first training; by default all.
    """

    def of(trainings: Study) -> estimate.Estimate | None:
        sides = [(_pairs(document, a), _pairs(document, b)) for document in trainings]
        both = [(one, other) for one, other in sides if one is not None and other is not None]
        if not both or not both[0][0][:, 1].sum():
            return None
        won = np.stack([one[:, 0] - other[:, 0] for one, other in both])
        return _share_of_pairs(won, both[0][0][:, 1])

    return _mean(evidence, of, f"scorers {a} and {b}", studies)


def vote_difference(evidence: Evidence, a: Mapping[str, str], b: Mapping[str, str]) -> Finding:
    """Accuracy of vote `a` of all whole traces minus `b`; each names a scorer ("" for none) and an aggregator."""

    def of(trainings: Study) -> estimate.Estimate | None:
        return _accuracy_difference(*([_vote(document, side) for document in trainings] for side in (a, b)))

    return _mean(evidence, of, f"votes {dict(a)} and {dict(b)}")


def tenth_of_tokens(evidence: Evidence, scorer: str, studies: Sequence[str] = ()) -> Finding:
    """Accuracy for a tenth of the tokens, by the policy that validation chose, minus the full majority vote's.

    Args:
        studies: names of the studies that are judged, which are those of their first training; by default all.
    """

    def tenth(point: Document) -> bool:
        return point.get("chosen_for_share") == TENTH and bool(point["scorer"] == scorer)

    def full(point: Document) -> bool:
        return bool(point["policy"] == "full" and point["aggregator"] == "majority")

    def of(trainings: Study) -> estimate.Estimate | None:
        return _accuracy_difference(*([_live(document, policy) for document in trainings] for policy in (tenth, full)))

    return _mean(evidence, of, f"a policy of {scorer} for a tenth of the tokens", studies)


def area_difference(evidence: Evidence, a: Mapping[str, str], b: Mapping[str, str]) -> Finding:
    """Area under the risk-coverage curve of vote `b` minus that of vote `a`, by the share of the winning answer.

    Positive where `a` knows better which of its answers are wrong, or has fewer of them. Bootstrap over problems, the
    mean over trainings in each draw.
    """

    def of(trainings: Study) -> estimate.Estimate | None:
        sides = [(_vote(document, a), _vote(document, b)) for document in trainings]
        both = [(one, other) for one, other in sides if one and other and one.get("shares") and other.get("shares")]
        if not both:
            return None
        draws = resample_counts("verify/problems", len(both[0][0]["shares"]))
        areas = [_areas(other, draws) - _areas(one, draws) for one, other in both]
        value = fmean(float(_areas(other)[0] - _areas(one)[0]) for one, other in both)
        return percentiles(value, np.mean(areas, axis=0))

    return _mean(evidence, of, f"shares of votes {dict(a)} and {dict(b)}")


def broken_promises(evidence: Evidence, max_loss: float, studies: Sequence[str] = ()) -> Finding:
    """Share of draws of calibration problems that break a promise of losing `max_loss`, over all trainings.

    The interval is Clopper and Pearson's (1934, Biometrika 26:404), of draws from the problems that there are: it says
    nothing of other problems or probes.
    """
    found = _redrawn(evidence, max_loss, studies)
    broken, draws = (sum(drawn[key] for _, drawn in found) for key in ("broken", "draws"))
    share = broken_share(broken, draws)

    def tail(hypothesis: float) -> float:
        ends = bdtr(broken, draws, hypothesis), bdtrc(broken - 1, draws, hypothesis) if broken else 1.0
        return min(1.0, 2 * float(min(ends)))

    pools = {drawn["pool"] for _, drawn in found}
    note = f"{draws} draws of {found[0][1]['problems']} of {', '.join(map(str, sorted(pools)))} problems"
    seeds = _seeds(document for document, _ in found)
    return Finding(share.mean, share.low, share.high, tail, seeds=seeds, note=note)


def promised_tokens(evidence: Evidence, max_loss: float, studies: Sequence[str] = ()) -> Finding:
    """Share of the full vote's tokens that a promise of losing `max_loss` needs, the mean over draws of calibration.

    Student's interval over trainings.
    """
    found = _redrawn(evidence, max_loss, studies)
    shares = [float(drawn["tokens_share"]) for _, drawn in found]
    mean, low, high = fmean(shares), None, None
    if len(shares) > 1:
        half = stdev(shares) / sqrt(len(shares)) * float(stdtrit(len(shares) - 1, (1 + CONFIDENCE) / 2))
        low, high = mean - half, mean + half
    seeds = _seeds(document for document, _ in found)
    return Finding(mean, low, high, seeds=seeds, note=f"interval over {len(shares)} trainings")


def _redrawn(evidence: Evidence, max_loss: float, studies: Sequence[str]) -> list[tuple[Document, Document]]:
    """Documents with their draws of a promise of `max_loss`. Raises NoEvidence if none has any."""
    chosen = [document for study in _of_names(evidence, studies) for document in study]
    found = [(document, document["promise"]) for document in chosen if document.get("promise")]
    drawn = [
        (one, promise["redrawn"]) for one, promise in found if promise["max_loss"] == max_loss and "redrawn" in promise
    ]
    if not drawn:
        raise NoEvidence(f"none of {len(evidence.thinking)} comparisons of scorers drew a promise of {max_loss} anew")
    return drawn


def own_difference(evidence: Evidence, one: str, other: str, runs: Where) -> Finding:
    """Mean over runs of one figure of the record minus another of the same run, by dotted keys."""

    def within(run: EvidenceRun) -> float | None:
        values = run.figure(one), run.figure(other)
        return None if values[0] is None or values[1] is None else values[0] - values[1]

    return over_seeds(having(evidence.select(runs), within, f"{one} and {other}"))


def _areas(point: Document, draws: Floats | None = None) -> Floats:
    return risk_coverage_area(point["shares"], [digit == "1" for digit in point["outcomes"]], draws)


def _share_of_pairs(won: Floats, pairs: Floats) -> estimate.Estimate:
    """Mean over trainings of won pairs (a difference) over all pairs, the same in each training.

    One training: bootstrap over problems. Several: the two-way interval of the linearised ratio.

    Args:
        won: shape (trainings, problems); `pairs`: shape (problems,).
    """
    value = float(won.sum() / pairs.sum() / len(won))
    if len(won) == 1:
        draws = resample_counts("verify/problems", len(pairs))
        count = draws @ pairs
        return percentiles(value, (draws @ won[0])[count > 0] / count[count > 0])
    cells = value + (won - value * pairs) * len(pairs) / pairs.sum()
    return estimate.paired_difference(cells, np.zeros_like(cells))


def _pairs(document: Document, name: str) -> Floats | None:
    """Won and all pairs by problem, shape (problems, 2); None without the scorer."""
    scorer = next((each for each in document["scorers"] if each["name"] == name), None)
    return None if scorer is None else np.array(scorer["pairs_by_problem"], dtype=np.float64)


def _vote(document: Document, side: Mapping[str, str]) -> Document | None:
    points = [point for point in document["frontier"] if not point["live"]]
    most = max((point["n"] for point in points), default=0)
    settings = (side["scorer"] or None, side["aggregator"], most)
    return next((point for point in points if (point["scorer"], point["aggregator"], point["n"]) == settings), None)


def _live(document: Document, policy: Callable[[Document], bool]) -> Document | None:
    return next((point for point in document["frontier"] if point["live"] and policy(point)), None)


def _accuracy_difference(one: Sequence[Document | None], other: Sequence[Document | None]) -> estimate.Estimate | None:
    """Of points of each training; None where one is missing everywhere."""
    first, second = _outcomes(one), _outcomes(other)
    return None if first is None or second is None else estimate.difference(first, second)


def _outcomes(points: Sequence[Document | None]) -> Floats | None:
    """Shape (trainings, problems); one row where no training made a difference, as for a majority."""
    rows = [[float(digit) for digit in point["outcomes"]] for point in points if point is not None]
    if not rows:
        return None
    return np.array(rows[:1] if all(row == rows[0] for row in rows) else rows)


def _studies(evidence: Evidence) -> list[Study]:
    """Documents by what their traces were: model, task and settings of the traces; trainings by their seed."""
    by_settings: dict[str, list[Document]] = {}
    for document in evidence.thinking:
        settings = [document["model"], document["task"], document["settings"]["traces"]]
        by_settings.setdefault(json.dumps(settings, sort_keys=True), []).append(document)
    return list(by_settings.values())


def _of_names(evidence: Evidence, names: Sequence[str]) -> list[Study]:
    """The studies of these names, all where none is given."""
    return [study for study in _studies(evidence) if not names or any(one["name"] in names for one in study)]


def _mean(
    evidence: Evidence, of: Callable[[Study], estimate.Estimate | None], what: str, names: Sequence[str] = ()
) -> Finding:
    """Average over the studies that have it, of these names if any are given. Raises NoEvidence if none does."""
    pairs = [(study, value) for study in _of_names(evidence, names) if (value := of(study)) is not None]
    if not pairs:
        raise NoEvidence(f"none of {len(evidence.thinking)} comparisons of scorers has {what}")
    values = [value for _, value in pairs]
    mean, count = fmean(value.mean for value in values), len(values)
    below = sqrt(sum((value.mean - value.low) ** 2 for value in values)) / count
    above = sqrt(sum((value.high - value.mean) ** 2 for value in values)) / count
    names = ", ".join(_named(study) for study, _ in pairs)
    over = "problems and trainings" if any(len(study) > 1 for study, _ in pairs) else "problems"
    seeds = _seeds(document for study, _ in pairs for document in study)
    return Finding(mean, mean - below, mean + above, seeds=seeds, note=f"interval over {over}; from {names}")


def _seeds(documents: Iterable[Document]) -> tuple[int, ...]:
    """The seeds of trainings, each once."""
    return tuple(sorted({int(document["settings"]["scorer"]["seed"]) for document in documents}))


def _named(study: Study) -> str:
    return str(study[0]["name"]) + (f" ({len(study)} trainings)" if len(study) > 1 else "")


ANALYSES: Mapping[str, Analysis] = {
    "scorer-difference": scorer_difference,
    "vote-difference": vote_difference,
    "tenth-of-tokens": tenth_of_tokens,
    "area-difference": area_difference,
    "broken-promises": broken_promises,
    "promised-tokens": promised_tokens,
    "own-difference": own_difference,
}
