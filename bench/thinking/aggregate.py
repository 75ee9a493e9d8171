"""From the answers of several traces and their scores to one answer.

Traces without a readable answer never win a vote. Ties go to the answer that comes first, which does not look at
correctness. A vote's share is what the winning answer holds of all weight: the vote's own confidence. A trace that is
alone has all of it whatever it says; there the share is its score, where that is one in [0, 1].
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Choice(NamedTuple):
    """The chosen trace, None when no trace has an answer; `share` in [0, 1], None where weights do not add up to it."""

    trace: int | None
    share: float | None


def vote(answers: Sequence[str | None], weights: Sequence[float]) -> Choice:
    """The answer with the largest sum of weights (self-consistency, arXiv 2203.11171, where all are 1)."""
    totals: dict[str, float] = {}
    for answer, weight in zip(answers, weights, strict=True):
        if answer is not None:
            totals[answer] = totals.get(answer, 0.0) + weight
    if not totals:
        return Choice(None, None)
    winner = max(totals, key=lambda answer: totals[answer])  # the first of equals
    if len(weights) == 1 and 0 <= weights[0] <= 1:
        return Choice(0, weights[0])
    whole = sum(totals.values())
    positive = whole > 0 and min(totals.values()) >= 0
    return Choice(list(answers).index(winner), totals[winner] / whole if positive else None)


def majority(answers: Sequence[str | None], scores: Sequence[float]) -> Choice:
    """One vote a trace; scores are not looked at."""
    return vote(answers, [1.0] * len(answers))


def log_odds(answers: Sequence[str | None], scores: Sequence[float]) -> Choice:
    """Weights log(s / (1 - s)), kept within 6 of 0: right for independent traces whose scores are calibrated."""
    odds = [math.log(s / (1 - s)) if 0 < s < 1 else math.copysign(math.inf, s - 0.5) for s in scores]
    return vote(answers, [max(-6.0, min(6.0, value)) for value in odds])


def best_of(answers: Sequence[str | None], scores: Sequence[float]) -> Choice:
    """The answer of the trace with the highest score, the first of equals."""
    readable = [index for index, answer in enumerate(answers) if answer is not None]
    if not readable:
        return Choice(None, None)
    return Choice(max(readable, key=lambda index: scores[index]), None)


def filtered(answers: Sequence[str | None], scores: Sequence[float], share: float = 0.25) -> Choice:
    """Weighted vote of the traces whose score reaches the (1 - `share`) percentile (DeepConf, arXiv 2508.15260)."""
    least = float(np.percentile(scores, 100 * (1 - share)))
    voters = [index for index, score in enumerate(scores) if score >= least]
    choice = vote([answers[index] for index in voters], [scores[index] for index in voters])
    return Choice(None if choice.trace is None else voters[choice.trace], choice.share)


Aggregator = Callable[[Sequence[str | None], Sequence[float]], Choice]

AGGREGATORS: dict[str, Aggregator] = {
    "majority": majority,
    "weighted": vote,
    "log-odds": log_odds,
    "best-of-n": best_of,
    "filter": filtered,
}
