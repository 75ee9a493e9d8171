"""Answers problems with several traces that a scorer weighs and stops early; trains the probe if the cache has none."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from rlvr_bench.console.progress import Watcher
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.thinking import thinking
from rlvr_bench.thinking.aggregate import AGGREGATORS
from rlvr_bench.thinking.confidence import KINDS, group_window
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.live import Watch, probe_reader
from rlvr_bench.thinking.numbers import six_digits
from rlvr_bench.thinking.policies import DeepConf, Policy
from rlvr_bench.thinking.policies import policy as read_policy
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.promise import Terms
from rlvr_bench.thinking.readers import ConfidenceReader, NoReader, Reader
from rlvr_bench.thinking.replays import Replays, Scoring, promised_policy
from rlvr_bench.thinking.request import ThinkRequest
from rlvr_bench.thinking.states import NEVER, OnUncertain
from rlvr_bench.thinking.subject import Subject

CONFIDENCE = "confidence-"
LIVE_SCORERS = ("otv", "none", *(CONFIDENCE + kind for kind in KINDS))

USUAL = "halve"
"""The policy where none is named and nothing is promised."""

OpenView = Callable[[], AbstractContextManager[Callable[[str], Watch]]]
"""Opens what shows traces while they are decoded: from a problem's question to what hears of its tokens."""


class Answers(NamedTuple):
    """What there is to say of the answers, and the traces as rows of `thinking.THINK_SCHEMA`."""

    document: dict[str, Any]
    traces: list[dict[str, Any]]


def answer_problems(
    request: ThinkRequest,
    *,
    size: int,
    policy: str | None,
    scorer: str | None,
    aggregator: str,
    problems: int,
    risk: float | None,
    on_uncertain: OnUncertain,
    confidence: float,
    terms: Terms | None,
    watcher: Watcher,
    open_view: OpenView,
) -> Answers:
    """Answer the first test problems with `size` traces each.

    Args:
        request: the model and the task.
        size: traces per problem.
        policy: which traces go on, such as "halve:every=4", by default `USUAL`; with `terms` a kind, by default any.
        scorer: what scores traces; None is the usual one of the policy.
        aggregator: how traces vote.
        problems: how many.
        risk: share of wrong answers among those given, and of right ones among those rejected; None gives all.
        on_uncertain: what becomes of an answer in between: "abstain", or "sample" as many traces again.
        confidence: of the promise about `risk`.
        terms: what is to be promised of the policy; all traces run where that cannot be.
        watcher: is told where the probe comes from.
        open_view: shows the traces.

    Raises:
        ThinkingError: a policy, scorer or aggregator that there is not, or that do not go together.
    """
    pruning = read_policy(policy or USUAL)
    name = _scorer_of(pruning, scorer)
    _refuse_aggregator(aggregator, by_share=risk is not None)
    subject = request.subject()
    reader = _reader(subject, name, watcher)
    window = group_window(subject.traces("validation")) if name.startswith(CONFIDENCE) else 0
    # A promise chooses the policy, so that it comes before the rule about answers, which is set under that policy.
    scoring, promise = Scoring(name, reader, window), None
    if terms is not None:
        kind = None if policy is None else pruning.name
        promise = promised_policy(subject, scoring, size, aggregator, kind, terms)
        pruning = read_policy(promise["policy"])
    rule = None
    if risk is not None:
        rule = _rule(subject, scoring, pruning, size, aggregator, risk, on_uncertain, confidence)
        if rule.answers.keep == NEVER:
            watcher.say(_withheld(subject, risk))
    documents, rows = [], []
    with open_view() as watch:
        for problem in subject.asker.task.problems("test")[:problems]:
            document, run = thinking.answer(
                subject, problem, size, pruning, reader, aggregator, window, rule, watch(problem.question)
            )
            documents.append(document)
            rows += thinking.rows(run, rule)
    whole = {
        "model": request.model,
        "task": dict(request.task),
        "scorer": name,
        "aggregator": aggregator,
        "rule": None if rule is None else _as_document(rule, risk, confidence),
        "promise": promise,
        "settings": subject.settings.model_dump(mode="json"),
        "summary": thinking.summary(documents, size, pruning),
        "problems": documents,
    }
    return Answers(six_digits(whole), rows)


def _refuse_aggregator(aggregator: str, by_share: bool) -> None:
    """Raise ThinkingError for a vote that there is not, or one without a share where answers are judged by it."""
    if aggregator not in AGGREGATORS:
        raise ThinkingError(f"unknown aggregator {aggregator!r}{did_you_mean(aggregator, AGGREGATORS)}")
    if by_share and aggregator not in thinking.SHARED_VOTES:
        raise ThinkingError(
            f"vote {aggregator!r} has no share to be certain by; choose one of {', '.join(thinking.SHARED_VOTES)}"
        )


def _rule(
    subject: Subject,
    scoring: Scoring,
    pruning: Policy,
    size: int,
    aggregator: str,
    risk: float,
    on_uncertain: OnUncertain,
    confidence: float,
) -> thinking.Rule:
    """Return when an answer is given, by the calibration problems; arguments as for `answer_problems`."""
    rounds = thinking.ROUNDS if on_uncertain == "sample" else 1
    runs = [Replays(subject, "calibration", size, scoring, size * number)(pruning) for number in range(rounds)]
    if not runs[0].traces:
        runs = []
    return thinking.rule_of(runs, aggregator, on_uncertain, risk, confidence, scoring.is_probability)


def _withheld(subject: Subject, risk: float) -> str:
    count = len(subject.problems("calibration"))
    return (
        f"no share of the vote promises a risk of {risk:g} on {count} calibration problems: every answer is"
        " withheld; more problems: --set validation=N"
    )


def _as_document(rule: thinking.Rule, risk: float | None, confidence: float) -> dict[str, Any]:
    return {
        "risk": risk,
        "confidence": confidence,
        "on_uncertain": rule.on_uncertain,
        "answers": rule.answers._asdict(),
        "traces": None if rule.traces is None else rule.traces._asdict(),
    }


def _scorer_of(policy: Policy, requested: str | None) -> str:
    """The requested scorer, or the policy's usual one. Raises ThinkingError for one that is unknown or does not fit."""
    name = requested or (f"{CONFIDENCE}lowest" if isinstance(policy, DeepConf) else "otv")
    if name not in LIVE_SCORERS:
        raise ThinkingError(f"unknown scorer {name!r}{did_you_mean(name, LIVE_SCORERS)}")
    if isinstance(policy, DeepConf) and name != f"{CONFIDENCE}lowest":
        raise ThinkingError(f"policy 'deepconf' ranks by confidence-lowest, got scorer {name!r}; leave --scorer out")
    return name


def _reader(subject: Subject, name: str, watcher: Watcher) -> Callable[[], Reader]:
    """A maker of what traces are scored by; says where a probe comes from."""
    if name == "none":
        return NoReader
    if name != "otv":
        return partial(ConfidenceReader, name.removeprefix(CONFIDENCE), group_window(subject.traces("validation")))
    folder = subject.otv_folder
    if subject.otv_is_saved:
        watcher.say(f"probe from the cache: {folder}")
    else:
        watcher.say("no probe of this model and task in the cache: sampling traces and training one first")
    started = time.perf_counter()
    with watcher.bar("the probe") as report:
        trained = subject.otv(report)
    if trained.is_new and trained.fit is not None:
        seconds, best = time.perf_counter() - started, min(trained.fit.validation_brier)
        line = f"probe trained in {seconds:.0f} s on {len(subject.fair)} traces, validation Brier {best:.3f}: {folder}"
        watcher.say(line)
    assert isinstance(trained.scorer, Probe)
    return probe_reader(subject.asker, trained.scorer)
