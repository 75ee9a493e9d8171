"""How well scores tell right from wrong traces. Every measure is None where it is undefined, never 0."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
BINS = 10


def auroc(scores: Sequence[float], correct: Sequence[bool]) -> float | None:
    """Chance that a right trace scores above a wrong one, ties half; None without both (Mann-Whitney U / n m)."""
    right = np.asarray(correct, dtype=bool)
    pairs = int(right.sum()) * int((~right).sum())
    if not pairs:
        return None
    ranks = rankdata(np.asarray(scores, dtype=np.float64))
    count = int(right.sum())
    return float((ranks[right].sum() - count * (count + 1) / 2) / pairs)


def pairs_by_problem(
    scores: Sequence[float], correct: Sequence[bool], problems: Sequence[str]
) -> list[tuple[float, int]]:
    """Per problem, in order of appearance: pairs of a right and a wrong trace won by the right one, and all pairs."""
    counts = []
    for problem in dict.fromkeys(problems):
        own = [place for place, name in enumerate(problems) if name == problem]
        right = sum(correct[place] for place in own)
        pairs = right * (len(own) - right)
        value = auroc([scores[place] for place in own], [correct[place] for place in own])
        counts.append((0.0 if value is None else value * pairs, pairs))
    return counts


def within_problem_auroc(scores: Sequence[float], correct: Sequence[bool], problems: Sequence[str]) -> float | None:
    """AUROC over the pairs of one problem, all problems' pairs together: how hard a problem is does not help."""
    counts = pairs_by_problem(scores, correct, problems)
    pairs = sum(count for _, count in counts)
    return sum(won for won, _ in counts) / pairs if pairs else None


def auprc(scores: Sequence[float], correct: Sequence[bool]) -> float | None:
    """Average precision: sum over thresholds of (recall step) x precision; None without a right trace."""
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    if not right.sum():
        return None
    order = np.argsort(-values, kind="stable")
    values, right = values[order], right[order]
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # equal scores are one threshold
    hits = right.cumsum()[ends]
    precision, recall = hits / (ends + 1), hits / right.sum()
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def brier(scores: Sequence[float], correct: Sequence[bool]) -> float | None:
    """Mean squared distance of probabilities from outcomes; None without scores."""
    if not len(scores):
        return None
    return float(((np.asarray(scores, dtype=np.float64) - np.asarray(correct, dtype=np.float64)) ** 2).mean())


def ece(scores: Sequence[float], correct: Sequence[bool], bins: int = BINS) -> float | None:
    """Expected calibration error: share-weighted |mean score - share correct| over equal bins of [0, 1].

    A score on the border of two bins belongs to the lower one, as in scikit-learn's `calibration_curve`; None without
    scores.
    """
    if not len(scores):
        return None
    values, right = np.asarray(scores, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    places = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], values)
    gaps = np.bincount(places, values - right, bins)
    return float(np.abs(gaps).sum() / len(values))


def risk_coverage(confidences: Sequence[float], correct: Sequence[bool]) -> list[dict[str, float]]:
    """Share of wrong answers among those given, when the least sure ones are withheld: one point per threshold.

    Coverage rises to 1; answers of equal confidence are given or withheld together.
    """
    values, right = np.asarray(confidences, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    values, right = values[order], right[order]
    if not len(values):
        return []
    ends = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)
    wrong = (1 - right).cumsum()[ends]
    return [
        {"coverage": float((end + 1) / len(values)), "risk": float(count / (end + 1)), "threshold": float(values[end])}
        for end, count in zip(ends, wrong, strict=True)
    ]


def risk_coverage_area(confidences: Sequence[float], correct: Sequence[bool], counts: Floats | None = None) -> Floats:
    """Area under the risk-coverage curve: the mean over answers of the risk at which each is first given. Low is good.

    Args:
        counts: how often each answer counts, shape (draws, answers), such as bootstrap resamples; None is once.

    Returns:
        Areas, shape (draws,); NaN for a draw without answers.
    """
    values, wrong = np.asarray(confidences, dtype=np.float64), 1 - np.asarray(correct, dtype=np.float64)
    order = np.argsort(-values, kind="stable")
    values, wrong = values[order], wrong[order]
    weights = np.ones((1, len(values))) if counts is None else np.asarray(counts, dtype=np.float64)[:, order]
    given, lost = weights.cumsum(axis=1), (weights * wrong).cumsum(axis=1)
    # Equal confidences: the mean over their orders, so that a coarse confidence is neither punished nor rewarded.
    starts, ends = np.searchsorted(-values, -values, side="left"), np.searchsorted(-values, -values, side="right") - 1
    given_before, lost_before = given[:, starts] - weights[:, starts], (lost - weights * wrong)[:, starts]
    tied, tied_lost = given[:, ends] - given_before, lost[:, ends] - lost_before
    rate = np.divide(tied_lost, tied, out=np.zeros_like(lost), where=tied > 0)
    so_far = lost_before + (given - given_before) * rate
    risk = np.divide(so_far, given, out=np.zeros_like(lost), where=given > 0)
    whole = weights.sum(axis=1)
    areas: Floats = np.divide((weights * risk).sum(axis=1), whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return areas
