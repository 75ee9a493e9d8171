"""Which traces a scorer may learn from: no test problem's, none of one too hard or too easy, both classes alike."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.trace import Trace, groups


def refuse_overlap(traces: Iterable[Trace], held_out: Collection[str]) -> None:
    """Raise ThinkingError when traces to learn from belong to problems of the test split (ids in `held_out`)."""
    shared = sorted({trace.problem for trace in traces} & set(held_out))
    if shared:
        raise ThinkingError(
            f"{len(shared)} problems that the scorer would learn from are in the test split, the first is"
            f" {shared[0]}; train it on problems of the splits train and validation"
        )


def of_fair_difficulty(traces: Sequence[Trace], min_share: float, max_share: float) -> list[Trace]:
    """Traces of problems whose share of correct traces lies in [min_share, max_share].

    STOP keeps 4 to 28 correct of 32 (arXiv 2604.16029). Raises ThinkingError when nothing is left, or one class only.
    """
    fair = [
        trace
        for group in groups(traces).values()
        if min_share <= sum(trace.correct for trace in group) / len(group) <= max_share
        for trace in group
    ]
    if len({trace.correct for trace in fair}) < 2:
        raise ThinkingError(
            f"of {len(traces)} training traces, {len(fair)} are of problems with a share of correct ones in"
            f" [{min_share}, {max_share}], and not both right and wrong; choose a task that the model solves sometimes,"
            " more problems, or wider bounds"
        )
    return fair


def weighted(traces: Sequence[Trace], balance: bool) -> dict[Trace, float]:
    """Distinct traces with how much each counts, on average 1: samples repeat, and a repetition is only a weight.

    With `balance` correct and wrong traces weigh the same in all.
    """
    counts = Counter((trace.problem, trace.tokens) for trace in traces)
    distinct = {(trace.problem, trace.tokens): trace for trace in traces}
    outcomes = Counter(trace.correct for trace in traces)
    share = {outcome: len(traces) / (2 * count) for outcome, count in outcomes.items()}
    weights = {trace: counts[name] * (share[trace.correct] if balance else 1.0) for name, trace in distinct.items()}
    mean = sum(weights.values()) / len(weights)
    return {trace: weight / mean for trace, weight in weights.items()}


def log_odds_of_correct(traces: Sequence[Trace]) -> float:
    """ln(share / (1 - share)) of correct traces: what balancing took away from a score, to be added to its logit."""
    correct = sum(trace.correct for trace in traces)
    return math.log(correct / (len(traces) - correct))
