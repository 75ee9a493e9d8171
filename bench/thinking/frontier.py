"""Accuracy against all that it costs: one point for a policy, a scorer and a number of traces."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rlvr_bench.stats.estimate import accuracy
from rlvr_bench.thinking.aggregate import AGGREGATORS, Aggregator
from rlvr_bench.thinking.live import LiveRun
from rlvr_bench.thinking.measures import risk_coverage, risk_coverage_area
from rlvr_bench.thinking.policies import Full, Halve, Keep, Policy, label
from rlvr_bench.thinking.simulate import simulate
from rlvr_bench.thinking.trace import Trace, mean
from rlvr_bench.thinking.training import Scores


class Answer:
    """The answer to one problem. `tokens` is the mean length of the chosen answer's trace."""

    def __init__(self, traces: Sequence[Trace], scores: Sequence[float], aggregator: Aggregator) -> None:
        choice = aggregator([trace.answer for trace in traces], scores)
        winner = None if choice.trace is None else traces[choice.trace]
        self.answer = winner.answer if winner else None
        self.correct = winner is not None and winner.correct
        self.share = choice.share
        self.tokens = len(winner.tokens) if winner else None


def answers(run: LiveRun, aggregator: str) -> list[Answer]:
    """One answer per problem, by the traces that were not dropped."""
    votes = []
    for start in range(0, len(run.traces), run.size):
        voters = [row for row in range(start, start + run.size) if not run.dropped[row]]
        traces, scores = [run.traces[row] for row in voters], [run.scores[row] for row in voters]
        votes.append(Answer(traces, scores, AGGREGATORS[aggregator]))
    return votes


def point(
    run: LiveRun, policy: Policy, scorer: str | None, aggregator: str, full_tokens: int, live: bool
) -> dict[str, Any]:
    """One point; accuracy with its 95 % interval over problems, tokens per problem.

    Args:
        full_tokens: all tokens of the full majority vote, which `tokens_share` is a share of.
        live: whether the policy ran while the traces were decoded, and `seconds` are its own.
    """
    votes = answers(run, aggregator)
    estimate = accuracy(np.array([[float(answer.correct) for answer in votes]]))
    curve = [(answer.share, answer.correct) for answer in votes if answer.share is not None]
    return {
        "policy": label(policy),
        "scorer": scorer,
        "aggregator": aggregator,
        "n": run.size,
        "accuracy": estimate.mean,
        "accuracy_lo": estimate.low,
        "accuracy_hi": estimate.high,
        "outcomes": "".join(str(int(answer.correct)) for answer in votes),
        "tokens": run.tokens / len(votes),
        "probe_tokens": run.probe_tokens / len(votes),
        "tokens_share": run.tokens / full_tokens,
        "seconds": run.seconds if live else None,
        "live": live,
        "chosen_tokens": mean(answer.tokens for answer in votes if answer.tokens is not None),
        "abstention": _abstention(curve) if aggregator in ("majority", "weighted") else None,
        "shares": [answer.share or 0.0 for answer in votes] if isinstance(policy, Full) and not live else None,
    }


def _abstention(curve: Sequence[tuple[float, bool]]) -> dict[str, Any]:
    """Risk when the answers with the smallest vote shares are withheld, at coverage nearest to 1, 0.75, 0.5, 0.25."""
    points = risk_coverage([share for share, _ in curve], [correct for _, correct in curve])
    picked = (
        [min(points, key=lambda at: abs(at["coverage"] - goal)) for goal in (1.0, 0.75, 0.5, 0.25)] if points else []
    )
    area = risk_coverage_area([share for share, _ in curve], [correct for _, correct in curve])
    return {"area": float(area[0]) if points else None, "curve": picked}


def whole(traces: Sequence[Trace], scores: Scores | None, size: int, of: int, probe_tokens: int = 0) -> LiveRun:
    """The first `size` of every `of` traces of a problem, none stopped, each read once at its end."""
    rows = [row for row in range(len(traces)) if row % of < size]
    last = [1.0 if scores is None else list(scores[row].values())[-1] for row in rows]
    readings = 0 if scores is None else len(rows)
    return LiveRun([traces[row] for row in rows], size, last, [False] * len(rows), [], readings * probe_tokens, 0.0)


def within_share(
    traces: Sequence[Trace], scores: Scores, of: int, probe_tokens: int, share: float = 0.1
) -> tuple[int, Policy]:
    """Size and policy that are most accurate on these (validation) traces for `share` of all tokens.

    Candidates keep one trace at one of the first positions, or halve; the cheaper one wins a tie. One trace alone is
    what is left where even two are too dear.
    """
    # Simulated on recorded scores, which needs no model: a policy only decides which prefixes of a trace are read.
    budget = share * sum(len(trace.tokens) for trace in traces)
    best: tuple[float, float, int, Policy] | None = None
    candidates: list[Policy] = [
        *(Keep(count=1, at=at) for at in (1, 2, 3, 4, 6, 8)),
        *(Halve(every=e) for e in (1, 2, 4)),
    ]
    for size in sorted({2, 3, 4, 6, 8, 12, 16, 32, of}):
        if size > of:
            continue
        rows = [row for row in range(len(traces)) if row % of < size]
        own, read = [traces[row] for row in rows], [scores[row] for row in rows]
        for policy in candidates:
            run = simulate(policy, own, read, size, probe_tokens)
            # Validation accuracy decides; of equally accurate policies the one with fewer tokens.
            if run.tokens <= budget:
                correct = mean(answer.correct for answer in answers(run, "weighted")) or 0.0
                if best is None or (correct, -run.tokens) > best[:2]:
                    best = (correct, -run.tokens, size, policy)
    return (best[2], best[3]) if best else (1, Full())


def points_of_votes(
    traces: Sequence[Trace], of: int, zoo: Mapping[str, tuple[Scores, int]], full_tokens: int
) -> list[dict[str, Any]]:
    """Votes over whole traces: the majority at every power of two, every scorer with every aggregator at `of`.

    Args:
        zoo: scores and probe tokens by scorer.
    """
    sizes = [size for size in (1, 2, 4, 8, 16, 32, 64) if size < of] + [of]
    points = [point(whole(traces, None, size, of), Full(), None, "majority", full_tokens, live=False) for size in sizes]
    for name, (scores, probe_tokens) in zoo.items():
        weights = positive(scores)
        for aggregator in AGGREGATORS:
            if aggregator != "majority":
                run = whole(traces, weights, of, of, probe_tokens)
                points.append(point(run, Full(), name, aggregator, full_tokens, live=False))
    return points


def positive(scores: Scores) -> Scores:
    """Scores as they are where they are weights already, else moved and scaled into [0, 1]."""
    values = [value for own in scores for value in own.values()]
    low, high = min(values), max(values)
    if low >= 0:
        return scores
    return [{place: (value - low) / (high - low or 1.0) for place, value in own.items()} for own in scores]
