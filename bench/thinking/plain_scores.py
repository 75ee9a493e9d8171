"""Scores that need no training: chance, length, the vote's share, the model's own confidence, and the truth."""

import hashlib
from collections import Counter
from collections.abc import Sequence

from rlvr_bench.thinking.confidence import KINDS, group_score
from rlvr_bench.thinking.trace import Trace, groups, positions
from rlvr_bench.thinking.training import Scores


def plain_scores(
    traces: Sequence[Trace], confidences: Sequence[Sequence[float]], window: int, stride: int
) -> dict[str, Scores]:
    """Scores by name; higher is taken for more likely right.

    `confidences` of every token of each trace (see `confidence.trace_confidences`). The share of the vote and the
    truth are known at a trace's end only, and stand at its last position alone.
    """
    shares = _majority_shares(traces)
    by_name: dict[str, Scores] = {
        "random": [_constant(trace, stride, _chance(trace)) for trace in traces],
        "length": [{place: 1 / (1 + place) for place in positions(trace.fed, stride)} for trace in traces],
        "majority-share": [{trace.fed: share} for trace, share in zip(traces, shares, strict=True)],
    }
    for kind in KINDS:
        by_name[f"confidence-{kind}"] = [
            {place: group_score(own[: place + 1], kind, window) for place in positions(trace.fed, stride)}
            for trace, own in zip(traces, confidences, strict=True)
        ]
    return by_name | {"oracle": [{trace.fed: float(trace.correct)} for trace in traces]}


def _constant(trace: Trace, stride: int, value: float) -> dict[int, float]:
    return dict.fromkeys(positions(trace.fed, stride), value)


def _chance(trace: Trace) -> float:
    """A number in [0, 1) that is a hash of problem and sample, the same in every run."""
    digest = hashlib.blake2b(f"{trace.problem}/{trace.sample}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _majority_shares(traces: Sequence[Trace]) -> list[float]:
    """Per trace the share of its problem's traces that give its answer; 0 without an answer."""
    votes = {name: Counter(trace.answer for trace in group) for name, group in groups(traces).items()}
    return [
        0.0 if trace.answer is None else votes[trace.problem][trace.answer] / votes[trace.problem].total()
        for trace in traces
    ]
