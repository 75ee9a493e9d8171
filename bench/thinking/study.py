"""The whole comparison on one model and task, as one document: scorers, the frontier, turning points, transfer."""

from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from rlvr_bench.console.progress import Report
from rlvr_bench.stats.estimate import difference
from rlvr_bench.thinking import frontier, hygiene
from rlvr_bench.thinking.confidence import group_window
from rlvr_bench.thinking.live import probe_reader, think
from rlvr_bench.thinking.plain_scores import plain_scores
from rlvr_bench.thinking.policies import DeepConf, Drop, Full, Halve, Keep, Policy, Threshold, label
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.promise import Terms, choose, compared, pooled, redrawn
from rlvr_bench.thinking.readers import ConfidenceReader, NoReader, Reader
from rlvr_bench.thinking.replays import Replays, Scoring, candidates
from rlvr_bench.thinking.report import quality, turning_points
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.training import Scores
from rlvr_bench.thinking.zoo import RECIPES, TrainedScorer, scored, train_and_score

TENTH = 0.1

MOST_CONTINUED = 128
"""Test problems whose traces are continued from their middle, to see turning points: that costs more than the rest."""


def study(
    subject: Subject,
    names: Sequence[str],
    transfers: Sequence[Subject] = (),
    policies: Sequence[Policy] = (),
    terms: Terms | None = None,
    report: Report = lambda message, done: None,
) -> dict[str, Any]:
    """Train scorers and measure them and every policy.

    Args:
        names: of `RECIPES`; "otv" is always among them, since it is what stops traces.
        transfers: other models or tasks, whose test traces are scored by scorers that were not trained on them.
        policies: that run live; by default those of `usual_policies`.
        terms: what is to be promised of stopping; None promises nothing.

    Raises:
        ThinkingError: scorers would be tested on problems, of this task or of a transfer, that they learn from.
    """
    # Before anything is trained: an overlap makes every figure of the study worthless.
    for other in transfers:
        learnt = [*subject.fair, *subject.traces("validation")]
        hygiene.refuse_overlap(learnt, {problem.id for problem in other.problems("test")})
    names = list(dict.fromkeys(["otv", *names]))
    entries: dict[str, TrainedScorer] = {}
    for number, name in enumerate(names):
        report(f"training {name}", number / (len(names) + 2))
        entries[name] = train_and_score(name, RECIPES[name], subject, lambda message, done: None)
    report("thinking live", len(names) / (len(names) + 2))
    test = subject.traces("test")
    window = group_window(subject.traces("validation"))
    plain = plain_scores(test, subject.test_confidences(), window, subject.settings.scorer.stride)
    points = live_points(subject, entries, window, policies or usual_policies(subject))
    # Scores that need no training read no probe token, so their votes cost nothing beyond the traces.
    zoo = {name: (own.scores, own.probe_tokens) for name, own in entries.items()}
    zoo |= {name: (scores, 0) for name, scores in plain.items()}
    full_tokens = sum(len(trace.tokens) for trace in test)
    points += frontier.points_of_votes(test, subject.settings.traces.samples, zoo, full_tokens)
    report("measuring", (len(names) + 1) / (len(names) + 2))
    return {
        "scorers": [own.record for own in entries.values()] + [_plain(name, s, subject) for name, s in plain.items()],
        "frontier": points,
        "turning_points": _turning_points(subject, entries, plain),
        "transfer": [_transfer(other, entries) for other in transfers],
        "traces": _trace_facts(subject, window),
    } | ({} if terms is None else {"promise": promise_and_kept(subject, terms)})


def promise_and_kept(subject: Subject, terms: Terms) -> dict[str, Any]:
    """What is promised of the probe's policies, what they lose on the test problems, and how often promises break.

    That is seen where calibration problems are drawn anew from those and the test problems (`redrawn`).
    """
    size, scoring, vote = subject.settings.traces.samples, Scoring("otv", NoReader, 0), "weighted"
    families, looked = candidates(subject, scoring, size, vote, None)
    tested = compared(families, Replays(subject, "calibration", size, scoring), vote)
    fresh = compared(families, Replays(subject, "test", size, scoring), vote)
    promise = choose(families, looked, tested, terms)
    for name, kind in promise["kinds"].items():
        kept = fresh[name][[label(policy) for policy in families[name]].index(kind["policy"])]
        lost = difference(kept.lost[None], np.zeros((1, len(kept.lost))))
        kind["test"] = {
            "problems": len(kept.lost),
            "lost": lost.mean,
            "lost_lo": lost.low,
            "lost_hi": lost.high,
            "dropped": kept.dropped_share,
            "tokens_share": kept.tokens_share,
        }
    if promise["problems"]:
        seed = subject.settings.scorer.seed
        promise["redrawn"] = redrawn(looked, pooled(tested, fresh), promise["problems"], terms, seed=seed)
    return promise


def usual_policies(subject: Subject) -> list[Policy]:
    """One or more of each kind, at positions that fit the median trace."""
    size, half = subject.settings.traces.samples, round(median(t.fed for t in subject.traces("validation")) / 2)
    every = max(1, half // 2)
    return [
        Full(),
        Keep(count=max(1, size // 8), at=max(1, half // 2)),
        Keep(count=max(1, size // 4), at=max(1, half)),
        Keep(count=1, at=2),
        Halve(every=every),
        Drop(count=max(1, size // 8), every=every),
        Threshold(least=0.2, every=every),
        *(DeepConf(warm_up=max(2, size // 4), eta=eta) for eta in (0.1, 0.9)),
    ]


def live_points(
    subject: Subject, entries: dict[str, TrainedScorer], window: int, policies: Sequence[Policy]
) -> list[dict[str, Any]]:
    """Policies live on the test problems, with seconds; the first point is the full majority vote.

    Confidence has no scale, so no threshold is set on it, and only it steers "deepconf".
    """
    size, problems = subject.settings.traces.samples, subject.problems("test")
    probes = {name: own.trained.scorer for name, own in entries.items() if name in ("otv", "stop")}
    readers: dict[str, Callable[[], Reader]] = {
        name: probe_reader(subject.asker, probe) for name, probe in probes.items() if isinstance(probe, Probe)
    }
    readers["confidence-tail"] = partial(ConfidenceReader, "tail", window)
    full = think(subject.asker, problems, size, Full(), NoReader)
    points = [frontier.point(full, Full(), None, "majority", full.tokens, live=True)]
    for name, reader in readers.items():
        for policy in policies:
            if not isinstance(policy, DeepConf) and (name in probes or not isinstance(policy, Threshold)):
                points.append(_live(subject, size, policy, name, reader, full.tokens, window))
    for policy in policies:
        if isinstance(policy, DeepConf):
            points.append(_live(subject, size, policy, "confidence-lowest", NoReader, full.tokens, window))
    for name in probes:
        tenth_size, policy = tenth(subject, entries[name])
        point = _live(subject, tenth_size, policy, name, readers[name], full.tokens, window)
        points.append(point | {"chosen_for_share": TENTH})
    return points


def tenth(subject: Subject, own: TrainedScorer) -> tuple[int, Policy]:
    """What is best on the validation traces for a tenth of the full vote's tokens."""
    scores = scored(subject, own.trained.scorer, "validation", stride=1)
    return frontier.within_share(
        subject.traces("validation"), scores, subject.settings.traces.samples, own.probe_tokens, TENTH
    )


def _live(
    subject: Subject,
    size: int,
    policy: Policy,
    name: str | None,
    reader: Callable[[], Reader],
    full_tokens: int,
    window: int,
) -> dict[str, Any]:
    run = think(subject.asker, subject.problems("test"), size, policy, reader, window)
    return frontier.point(run, policy, name, "weighted", full_tokens, live=True)


def _plain(name: str, scores: Scores, subject: Subject) -> dict[str, Any]:
    probability = name in ("majority-share", "oracle", "random")
    record = {"name": name, "kind": "plain", "trained_parameters": 0}
    return record | quality(scores, subject.traces("test"), probability)


def _turning_points(subject: Subject, entries: dict[str, TrainedScorer], plain: dict[str, Scores]) -> dict[str, Any]:
    """Score curves of recovered and flipped traces, by scorer; values at the middle are sampled."""
    rollouts = subject.settings.scorer.mc_rollouts
    traces = subject.traces("test")
    values = subject.test_middle_values(MOST_CONTINUED)
    curves = {name: turning_points(own.scores, traces, values) for name, own in entries.items()}
    tail = turning_points(plain["confidence-tail"], traces, values)
    return {"rollouts": rollouts, "curves": curves | {"confidence-tail": tail}}


def _transfer(other: Subject, entries: dict[str, TrainedScorer]) -> dict[str, Any]:
    """The scorers on traces of another task or model: read by the model that they were trained on."""
    traces = other.traces("test")
    scorers = [
        {"name": name} | quality(scored(other, own.trained.scorer), traces, probability=True)
        for name, own in entries.items()
    ]
    share = sum(trace.correct for trace in traces) / len(traces)
    return {"to": other.name, "share_correct": share, "traces": len(traces), "scorers": scorers}


def _trace_facts(subject: Subject, window: int) -> dict[str, Any]:
    facts: dict[str, Any] = {"confidence_window": window, "fair_training_traces": len(subject.fair)}
    for split in ("train", "validation", "test"):
        traces = subject.traces(split)
        facts[split] = {
            "problems": len(subject.problems(split)),
            "traces": len(traces),
            "distinct": len({(trace.problem, trace.tokens) for trace in traces}),
            "share_correct": sum(trace.correct for trace in traces) / len(traces),
            "mean_tokens": sum(len(trace.tokens) for trace in traces) / len(traces),
            "truncated": sum(trace.truncated for trace in traces) / len(traces),
            "verifier_errors": sum(trace.reason == "error" for trace in traces) / len(traces),
        }
    return facts
