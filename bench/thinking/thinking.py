"""Parallel thinking on some problems, as a document: the answers, what they cost, and every trace."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rlvr_bench.tasks.problem import Problem
from rlvr_bench.thinking import frontier
from rlvr_bench.thinking.live import LiveRun, Watch, joined, think
from rlvr_bench.thinking.policies import Policy, label
from rlvr_bench.thinking.readers import Reader
from rlvr_bench.thinking.states import NEVER, OnUncertain, Thresholds, thresholds
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.trace import mean
from rlvr_bench.thinking.trace_file import TRACES_SCHEMA

ROUNDS = 2
"""With `on_uncertain` "sample": an uncertain answer gets as many traces again, once."""

SHARED_VOTES = ("majority", "weighted", "filter")
"""Votes whose winner holds a share, which is what makes an answer certain."""

ANSWER_STATES = {"keep": "answered", "drop": "rejected", "uncertain": "uncertain"}

THINK_SCHEMA = pa.schema(
    [
        *TRACES_SCHEMA,
        ("dropped", pa.bool_()),
        ("score", pa.float64()),
        ("read_at", pa.list_(pa.int32())),
        ("scores", pa.list_(pa.float64())),
        ("state", pa.string()),  # keep, drop or uncertain; null without a promised risk
    ]
)


class Rule(NamedTuple):
    """When an answer is given, and a trace kept: `traces` is None for scores without a scale."""

    answers: Thresholds
    traces: Thresholds | None
    on_uncertain: OnUncertain

    @property
    def rounds(self) -> int:
        """Rounds of traces that a problem may get."""
        return ROUNDS if self.on_uncertain == "sample" else 1


def answer(
    subject: Subject,
    problem: Problem,
    size: int,
    policy: Policy,
    reader: Callable[[], Reader],
    aggregator: str,
    window: int,
    rule: Rule | None,
    watch: Watch | None = None,
) -> tuple[dict[str, Any], LiveRun]:
    """Think about one problem; without a rule its `state` is "answered" wherever there is an answer."""
    rounds: list[LiveRun] = []
    while True:
        first = size * len(rounds)
        rounds.append(think(subject.asker, [problem], size, policy, reader, window, watch, first))
        run = joined(rounds)
        (vote,) = frontier.answers(run, aggregator)
        state = _state(vote, rule)
        if rule is None or state == "answered" or len(rounds) == rule.rounds:
            break
    document = {
        "problem": problem.id,
        "question": problem.question,
        "gold": problem.answer,
        "answer": vote.answer,
        "correct": vote.correct,
        "share": vote.share,
        "state": state,
        "rounds": len(rounds),
        "tokens": run.tokens,
        "probe_tokens": run.probe_tokens,
        "seconds": run.seconds,
        "dropped": sum(run.dropped),
    }
    return document, run


def _state(vote: frontier.Answer, rule: Rule | None) -> str:
    if vote.answer is None:
        return "uncertain"
    return "answered" if rule is None else ANSWER_STATES[rule.answers.state(vote.share or 0.0)]


def summary(documents: Sequence[dict[str, Any]], size: int, policy: Policy) -> dict[str, Any]:
    """What the answers come to; `risk` is the share of wrong answers among those that were given."""
    answers = [entry for entry in documents if entry["state"] == "answered"]
    return {
        "policy": label(policy),
        "n": size,
        "accuracy": mean(float(entry["correct"]) for entry in documents),
        "rejected": sum(entry["state"] == "rejected" for entry in documents),
        "sampled_again": sum(entry["rounds"] > 1 for entry in documents),
        "coverage": len(answers) / len(documents),
        "risk": mean(float(not entry["correct"]) for entry in answers),
        "tokens": sum(entry["tokens"] for entry in documents),
        "probe_tokens": sum(entry["probe_tokens"] for entry in documents),
        "seconds": sum(entry["seconds"] for entry in documents),
    }


def rule_of(
    runs: Sequence[LiveRun], aggregator: str, on_uncertain: OnUncertain, risk: float, confidence: float, scale: bool
) -> Rule:
    """When to answer, from one run a round on calibration problems, under the very policy that it is for.

    Args:
        runs: of the same problems, the first round first; none where there are no calibration problems.
        scale: whether a trace's score is a probability.
    """
    if not runs:
        return Rule(Thresholds(NEVER, 0.0), Thresholds(NEVER, 0.0) if scale else None, on_uncertain)
    votes = [frontier.answers(joined(runs[: number + 1]), aggregator) for number in range(len(runs))]
    shares = [np.array([[vote.share or 0.0] for vote in round_]) for round_ in votes]
    right = [np.array([[float(vote.correct)] for vote in round_]) for round_ in votes]
    answers, traces, first = thresholds(shares, right, risk, confidence), None, runs[0]
    if scale:
        scores = np.array(first.scores).reshape(-1, first.size)
        correct = np.array([float(trace.correct) for trace in first.traces]).reshape(-1, first.size)
        traces = thresholds([scores], [correct], risk, confidence)
    return Rule(answers, traces, on_uncertain)


def rows(run: LiveRun, rule: Rule | None) -> list[dict[str, Any]]:
    """The traces of a run as rows of `THINK_SCHEMA`."""
    states = rule.traces if rule is not None else None
    return [
        {name: getattr(trace, name) for name in TRACES_SCHEMA.names}
        | {"dropped": dropped, "score": score, "read_at": list(read), "scores": list(read.values())}
        | {"state": None if states is None else states.state(score)}
        for trace, dropped, score, read in zip(run.traces, run.dropped, run.scores, run.readings, strict=True)
    ]
