"""Parallel thinking on some problems, as a document: the answers, what they cost, and every trace."""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from rlvr_bench.tasks.problem import Problem
from rlvr_bench.thinking import frontier
from rlvr_bench.thinking.live import LiveRun, Watch, think
from rlvr_bench.thinking.measures import risk_coverage, sure_from
from rlvr_bench.thinking.policies import Policy, label
from rlvr_bench.thinking.readers import Reader
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.trace import mean
from rlvr_bench.thinking.trace_file import TRACES_SCHEMA

NEVER_SURE = 1.01
"""Above every share: no answer is given."""

THINK_SCHEMA = pa.schema(
    [
        *TRACES_SCHEMA,
        ("dropped", pa.bool_()),
        ("score", pa.float64()),
        ("read_at", pa.list_(pa.int32())),
        ("scores", pa.list_(pa.float64())),
    ]
)


def answer(
    subject: Subject,
    problem: Problem,
    size: int,
    policy: Policy,
    reader: Callable[[], Reader],
    aggregator: str,
    window: int,
    sure: float | None,
    watch: Watch | None = None,
) -> tuple[dict[str, Any], LiveRun]:
    """Think about one problem; its `state` is "answered", or "uncertain" where the vote's share is below `sure`."""
    run = think(subject.asker, [problem], size, policy, reader, window, watch)
    (vote,) = frontier.answers(run, aggregator)
    withheld = vote.answer is None or (sure is not None and vote.share is not None and vote.share < sure)
    document = {
        "problem": problem.id,
        "question": problem.question,
        "gold": problem.answer,
        "answer": vote.answer,
        "correct": vote.correct,
        "share": vote.share,
        "state": "uncertain" if withheld else "answered",
        "tokens": run.tokens,
        "probe_tokens": run.probe_tokens,
        "seconds": run.seconds,
        "dropped": sum(run.dropped),
    }
    return document, run


def summary(documents: Sequence[dict[str, Any]], size: int, policy: Policy) -> dict[str, Any]:
    """What the answers come to; `risk` is the share of wrong answers among those that were given."""
    answers = [entry for entry in documents if entry["state"] == "answered"]
    return {
        "policy": label(policy),
        "n": size,
        "accuracy": mean(float(entry["correct"]) for entry in documents),
        "coverage": len(answers) / len(documents),
        "risk": mean(float(not entry["correct"]) for entry in answers),
        "tokens": sum(entry["tokens"] for entry in documents),
        "probe_tokens": sum(entry["probe_tokens"] for entry in documents),
        "seconds": sum(entry["seconds"] for entry in documents),
    }


def sure_share(
    subject: Subject,
    size: int,
    policy: Policy,
    reader: Callable[[], Reader],
    aggregator: str,
    window: int,
    risk: float,
) -> float:
    """The vote's share from which answers to the validation problems were wrong in at most `risk` of the cases.

    Found under the very policy, scorer and number of traces that it is for. `NEVER_SURE` where no share does.
    """
    run = think(subject.asker, subject.problems("validation"), size, policy, reader, window)
    answers = frontier.answers(run, aggregator)
    votes = [(answer.share, answer.correct) for answer in answers if answer.share is not None]
    points = risk_coverage([share for share, _ in votes], [correct for _, correct in votes])
    least = sure_from(points, risk)
    return NEVER_SURE if least is None else least


def rows(run: LiveRun) -> list[dict[str, Any]]:
    """The traces of a run as rows of `THINK_SCHEMA`."""
    return [
        {name: getattr(trace, name) for name in TRACES_SCHEMA.names}
        | {"dropped": dropped, "score": score, "read_at": list(read), "scores": list(read.values())}
        for trace, dropped, score, read in zip(run.traces, run.dropped, run.scores, run.readings, strict=True)
    ]
