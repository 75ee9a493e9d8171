"""What a policy would have done with traces that ran to their end: the same as live, but for the seconds."""

from collections.abc import Sequence
from dataclasses import replace

from rlvr_bench.thinking.live import LiveRun
from rlvr_bench.thinking.policies import Policy
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import Scores


def simulate(policy: Policy, traces: Sequence[Trace], scores: Scores, size: int, probe_tokens: int) -> LiveRun:
    """Replay a policy (any but "deepconf") on whole traces, `size` a problem.

    Args:
        scores: of every position at which the policy looks, and of every trace's last one.
        probe_tokens: tokens of one reading.
    """
    run = LiveRun([], size, [], [], [], 0, 0.0)
    readings = 0
    for start in range(0, len(traces), size):
        readings += _problem(policy, traces[start : start + size], scores[start : start + size], run)
    return replace(run, probe_tokens=readings * probe_tokens)


def _problem(policy: Policy, group: Sequence[Trace], scores: Scores, run: LiveRun) -> int:
    """Append one problem's traces to `run`; return how often they were read."""
    lengths = [len(trace.tokens) for trace in group]
    alive: dict[int, float] = {}
    dropped: list[bool] = [False] * len(group)
    scores_read: list[dict[int, float]] = [{} for _ in group]
    running = set(range(len(group)))
    # In the order of the live loop: first what is due after `read` tokens is scored and dropped, then what ends there
    # gets its last score. A trace that has ended stays among those that a policy compares.
    for read in range(max(trace.fed for trace in group) + 1):
        if read and running and policy.due(read):
            alive |= {place: scores[place][read] for place in running}
            for place in running:
                scores_read[place][read] = alive[place]
            survivors = policy.survivors(read, alive)
            for place in [place for place in alive if place not in survivors]:
                dropped[place] = True
                # One that had ended loses its vote, and no token: those were generated before.
                lengths[place] = min(lengths[place], read) if place in running else lengths[place]
                running.discard(place)
                del alive[place]
        for place in [place for place in sorted(running) if group[place].fed == read]:
            alive[place] = scores_read[place][read] = scores[place][read]
            running.discard(place)
    run.traces.extend(
        trace if length == len(trace.tokens) else replace(trace, tokens=trace.tokens[:length], truncated=True)
        for trace, length in zip(group, lengths, strict=True)
    )
    run.scores.extend(list(own.values())[-1] for own in scores_read)
    run.dropped.extend(dropped)
    run.readings.extend(scores_read)
    return sum(map(len, scores_read))
