"""Which policy may be used with a promise: that it loses little accuracy against the full vote, and few right traces.

The problem is the unit, its traces are a cluster. Along the cut-offs of a kind, in their declared order, two hypotheses
are tested on calibration problems: that the accuracy lost is `max_loss` or more, and that a trace that would have been
right is dropped with a chance of `max_dropped` or more. All cut-offs before the first failure are promised (Learn then
Test, arXiv 2110.01052), of which the cheapest is taken. Half of the level is for the kind that looks best on
validation problems, which are others, the rest for the other kinds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.stats.risk_control import fixed_sequence, p_value, ratio_losses, upper_bound
from rlvr_bench.thinking.frontier import answers
from rlvr_bench.thinking.live import LiveRun
from rlvr_bench.thinking.policies import Full, Policy, label

Replay = Callable[[Policy], LiveRun]
"""From a policy to what it does with the traces of some problems."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is to be promised, as fractions of 1: accuracy lost, right traces dropped, and with which confidence."""

    max_loss: float
    max_dropped: float = 1.0
    confidence: float = 0.95

    @property
    def alpha(self) -> float:
        """The chance that the promise is made and not kept."""
        return 1 - self.confidence


class Losses(NamedTuple):
    """What a policy loses against the full vote on each problem, and what it costs; shapes (problems,).

    `lost` is 1, 0 or -1: right by the full vote and wrong by the policy is 1. `dropped` and `right` are shares of a
    problem's traces: those that would have been right and were dropped, and all that would have been right.
    """

    lost: Floats
    dropped: Floats
    right: Floats
    tokens_share: float

    @property
    def dropped_share(self) -> float | None:
        """Of all traces that would have been right, the share that was dropped; None where no trace was right."""
        return float(self.dropped.sum() / self.right.sum()) if self.right.sum() else None


def losses(run: LiveRun, full: LiveRun, aggregator: str) -> Losses:
    """Compare a policy with the full vote on the same traces.

    A dropped trace keeps the verdict on what it would have become, so both are runs of whole traces replayed or, where
    the policy ran live, `full` says how each trace ends.
    """
    right = np.array([trace.correct for trace in full.traces], dtype=np.float64).reshape(-1, full.size)
    dropped = np.array(run.dropped, dtype=np.float64).reshape(-1, run.size)
    was = np.array([answer.correct for answer in answers(full, aggregator)], dtype=np.float64)
    now = np.array([answer.correct for answer in answers(run, aggregator)], dtype=np.float64)
    return Losses(was - now, (right * dropped).mean(axis=1), right.mean(axis=1), run.tokens / full.tokens)


def promised(losses_of: Sequence[Losses], terms: Terms, share: float = 1.0) -> int:
    """Return how many of a kind's cut-offs, the mildest first, can be promised together with a share of alpha."""
    return fixed_sequence((_p(each, terms) for each in losses_of), share * terms.alpha)


def _p(each: Losses, terms: Terms) -> float:
    """Of the hypothesis that either promise is broken: both must be rejected (intersection-union test)."""
    tests = [p_value(each.lost, terms.max_loss)] if len(each.lost) else [1.0]
    if terms.max_dropped < 1:
        tests.append(p_value(ratio_losses(each.dropped, each.right, terms.max_dropped), 0.0))
    return max(tests)


def choose(
    families: Mapping[str, Sequence[Policy]], validation: Replay, calibration: Replay, aggregator: str, terms: Terms
) -> dict[str, Any]:
    """Return the policy that is promised, with what it was tested on, as a document.

    Its `policy` is "full" where nothing can be promised. `kinds` holds every kind's cheapest promised cut-off; all of
    them are promised together.
    """
    full = {"validation": validation(Full()), "calibration": calibration(Full())}
    problems = len(full["calibration"].traces) // full["calibration"].size
    chosen = _cheapest(families, validation, full["validation"], aggregator, terms, problems)
    # Half of alpha for the kind that looks best, the rest for the others: all that is promised holds together.
    others = max(1, len(families) - 1)
    shares = {name: 1.0 if len(families) == 1 else 0.5 if name == chosen else 0.5 / others for name in families}
    tested = {
        name: _kind(family, calibration, full["calibration"], aggregator, terms, shares[name])
        for name, family in families.items()
    }
    kinds = {name: kind for name, kind in tested.items() if kind is not None}
    chosen = min(kinds, key=lambda name: kinds[name]["tokens_share"], default=chosen)
    own = kinds.get(chosen) if chosen is not None else None
    # Probe tokens count: what is allowed is not always cheaper.
    own = own if own is not None and own["tokens_share"] < 1 else None
    return {
        "max_loss": terms.max_loss,
        "max_dropped": terms.max_dropped,
        "confidence": terms.confidence,
        "problems": problems,
        "kind": chosen,
        "policy": own["policy"] if own else label(Full()),
        "tokens_share": own["tokens_share"] if own else 1.0,
        "kinds": kinds,
    }


def _cheapest(
    families: Mapping[str, Sequence[Policy]],
    replay: Replay,
    full: LiveRun,
    aggregator: str,
    terms: Terms,
    problems: int,
) -> str | None:
    """The kind whose promise would cost least if `problems` calibration problems were like those of validation."""
    costs: dict[str, float] = {}
    for name, family in families.items():
        compared = [losses(replay(policy), full, aggregator) for policy in family]
        as_many = [
            Losses(
                np.resize(each.lost, problems),
                np.resize(each.dropped, problems),
                np.resize(each.right, problems),
                each.tokens_share,
            )
            for each in compared
        ]
        for each in compared[: promised(as_many, terms)]:
            costs[name] = min(each.tokens_share, costs.get(name, 1.0))
    return min(costs, key=lambda name: costs[name], default=None)


def _kind(
    family: Sequence[Policy], replay: Replay, full: LiveRun, aggregator: str, terms: Terms, share: float
) -> dict[str, Any] | None:
    """A kind's cheapest promised cut-off; None without one."""
    if not full.traces:
        return None
    compared = [losses(replay(policy), full, aggregator) for policy in family]
    count = promised(compared, terms, share)
    if not count:
        return None
    # All of them hold together, so that the cheapest may be taken.
    place = min(range(count), key=lambda number: compared[number].tokens_share)
    each = compared[place]
    # Of all cut-offs of the kind at once, so that the bound holds for the one that was picked.
    alpha = share * terms.alpha / len(family)
    return {
        "policy": label(family[place]),
        "lost": float(each.lost.mean()),
        "dropped": each.dropped_share,
        "dropped_bound": upper_bound(
            lambda level: (ratio_losses(each.dropped, each.right, min(level, 1 - 1e-9)), 0.0), alpha
        ),
        "tokens_share": each.tokens_share,
    }
