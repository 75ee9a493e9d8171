"""What a scorer's scores say of it: ranking and calibration, at the end and on the way there."""

from collections.abc import Sequence
from typing import Any

from rlvr_bench.thinking import measures
from rlvr_bench.thinking.monte_carlo import Values
from rlvr_bench.thinking.trace import Trace, at_share, mean
from rlvr_bench.thinking.training import Scores

SHARES = (0.10, 0.25, 0.50, 0.75, 1.00)


def quality(scores: Scores, traces: Sequence[Trace], probability: bool) -> dict[str, Any]:
    """AUROC and its like over all traces at their ends, and `by_position` at shares of the trace.

    Brier score and calibration error are None for scores that are no probabilities. `pairs_by_problem` are the pairs
    behind the within-problem AUROC at the end, won and all, by which two scorers can be compared.
    """
    by_position = []
    for share in SHARES:
        # A score that exists only at a trace's end says nothing before it.
        scored_traces = [
            (own.get(_nearest(own, at_share(share, t.fed))), t) for own, t in zip(scores, traces, strict=True)
        ]
        scored = [(score, trace) for score, trace in scored_traces if score is not None]
        by_position.append({"share": share} | _at(scored, probability))
    last = {key: value for key, value in by_position[-1].items() if key != "share"}
    ends = [list(own.values())[-1] for own in scores]
    pairs = measures.pairs_by_problem(ends, [t.correct for t in traces], [t.problem for t in traces])
    return last | {"pairs_by_problem": [list(pair) for pair in pairs], "by_position": by_position}


def _nearest(own: dict[int, float], place: int) -> int:
    """The last scored position up to `place`, -1 where there is none."""
    return max((scored for scored in own if scored <= place), default=-1)


def _at(scored: Sequence[tuple[float, Trace]], probability: bool) -> dict[str, Any]:
    scores, correct = [score for score, _ in scored], [trace.correct for _, trace in scored]
    problems = [trace.problem for _, trace in scored]
    return {
        "auroc": measures.auroc(scores, correct),
        "within_problem_auroc": measures.within_problem_auroc(scores, correct, problems),
        "auprc": measures.auprc(scores, correct),
        "brier": measures.brier(scores, correct) if probability else None,
        "ece": measures.ece(scores, correct) if probability else None,
        "traces": len(scored),
    }


def turning_points(scores: Scores, traces: Sequence[Trace], values: Values) -> dict[str, Any]:
    """Mean score curves of traces that turned: what a ramp from the outcome cannot express.

    A trace recovered when fewer than half of the continuations from its middle end correct and it does; it flipped
    when at least half do and it does not. `values` are Monte-Carlo values at the middle.
    """
    by_kind: dict[str, list[list[float]]] = {"recovered": [], "flipped": [], "right": [], "wrong": []}
    for own, trace in zip(scores, traces, strict=True):
        value = values.get((trace.problem, trace.tokens[: at_share(0.5, trace.fed)]))
        if value is None:
            continue
        curve = [own.get(_nearest(own, at_share(share, trace.fed))) for share in SHARES]
        if any(score is None for score in curve):
            continue
        turned = (value < 0.5) == trace.correct
        kind = ("recovered" if trace.correct else "flipped") if turned else ("right" if trace.correct else "wrong")
        by_kind[kind].append([score for score in curve if score is not None])
    return {
        kind: {
            "traces": len(curves),
            "shares": list(SHARES),
            "scores": [mean(column) for column in zip(*curves, strict=True)],
        }
        for kind, curves in by_kind.items()
    }
