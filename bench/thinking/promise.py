"""Which policy may be used with a promise: that it loses little accuracy against the full vote, and few right traces.

The problem is the unit, its traces are a cluster. Along the cut-offs of a kind, in their declared order, two hypotheses
are tested on calibration problems: that the accuracy lost is `max_loss` or more, and that a trace that would have been
right is dropped with a chance of `max_dropped` or more. All cut-offs before the first failure are promised (Learn then
Test, arXiv 2110.01052), of which the cheapest is taken. Half of the level is for the kind that looks best on
validation problems, which are others, the rest for the other kinds.

Whether promises are kept is seen where calibration problems are drawn many times from a pool whose losses are known.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.stats.risk_control import fixed_sequence, p_value, ratio_losses, upper_bound
from rlvr_bench.thinking.frontier import answers
from rlvr_bench.thinking.live import LiveRun
from rlvr_bench.thinking.policies import Full, Policy, label

Replay = Callable[[Policy], LiveRun]
"""From a policy to what it does with the traces of some problems."""

Families = Mapping[str, Sequence[Policy]]
"""The cut-offs of every kind of policy, the mildest first."""

REDRAWS = 400
"""Draws of calibration problems: a true share of 5 % is then seen within 2.2 points, 95 % of the time."""


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
    problem's traces: those that would have been right and were dropped, and all that would have been right. Tokens are
    those of all problems together.
    """

    lost: Floats
    dropped: Floats
    right: Floats
    tokens: int
    full_tokens: int

    @property
    def dropped_share(self) -> float | None:
        """Of all traces that would have been right, the share that was dropped; None where no trace was right."""
        return float(self.dropped.sum() / self.right.sum()) if self.right.sum() else None

    @property
    def tokens_share(self) -> float:
        """The policy's tokens as a fraction of the full vote's."""
        return self.tokens / self.full_tokens

    def of(self, rows: NDArray[np.intp]) -> "Losses":
        """Those of some of the problems; tokens stay those of all."""
        return self._replace(lost=self.lost[rows], dropped=self.dropped[rows], right=self.right[rows])

    def breaks(self, terms: Terms) -> bool:
        """Whether these problems, taken as all that there are, lose more than is promised."""
        return bool(self.lost.mean() > terms.max_loss) or (
            terms.max_dropped < 1 and (self.dropped_share or 0.0) > terms.max_dropped
        )


Compared = Mapping[str, Sequence[Losses]]
"""Losses by kind of policy, a kind's cut-offs in their declared order; none where there is no problem."""


def losses(run: LiveRun, full: LiveRun, aggregator: str) -> Losses:
    """Compare a policy with the full vote on the same traces.

    A dropped trace keeps the verdict on what it would have become, so both are runs of whole traces replayed or, where
    the policy ran live, `full` says how each trace ends.
    """
    right = np.array([trace.correct for trace in full.traces], dtype=np.float64).reshape(-1, full.size)
    dropped = np.array(run.dropped, dtype=np.float64).reshape(-1, run.size)
    was = np.array([answer.correct for answer in answers(full, aggregator)], dtype=np.float64)
    now = np.array([answer.correct for answer in answers(run, aggregator)], dtype=np.float64)
    return Losses(was - now, (right * dropped).mean(axis=1), right.mean(axis=1), run.tokens, full.tokens)


def compared(families: Families, replay: Replay, aggregator: str) -> dict[str, list[Losses]]:
    """Compare every cut-off with the full vote on the problems of a replay."""
    full = replay(Full())
    return {
        name: [losses(replay(policy), full, aggregator) for policy in family] if full.traces else []
        for name, family in families.items()
    }


def pooled(one: Compared, other: Compared) -> dict[str, list[Losses]]:
    """Losses on the problems of both."""

    def both(a: Losses, b: Losses) -> Losses:
        return Losses(
            np.concatenate([a.lost, b.lost]),
            np.concatenate([a.dropped, b.dropped]),
            np.concatenate([a.right, b.right]),
            a.tokens + b.tokens,
            a.full_tokens + b.full_tokens,
        )

    return {name: [both(a, b) for a, b in zip(one[name], other[name], strict=True)] for name in one}


def promised(losses_of: Iterable[Losses], terms: Terms, share: float = 1.0) -> int:
    """Return how many of a kind's cut-offs, the mildest first, can be promised together with a share of alpha."""
    return fixed_sequence((_p(each, terms) for each in losses_of), share * terms.alpha)


def _p(each: Losses, terms: Terms) -> float:
    """Of the hypothesis that either promise is broken: both must be rejected (intersection-union test)."""
    tests = [p_value(each.lost, terms.max_loss)] if len(each.lost) else [1.0]
    if terms.max_dropped < 1:
        tests.append(p_value(ratio_losses(each.dropped, each.right, terms.max_dropped), 0.0))
    return max(tests)


def choose(families: Families, looked: Compared, tested: Compared, terms: Terms) -> dict[str, Any]:
    """Return the policy that is promised, with what it was tested on, as a document.

    Its `policy` is "full" where nothing can be promised. `kinds` holds every kind's cheapest promised cut-off; all of
    them are promised together.

    Args:
        looked: on validation problems, which say how the level is dealt.
        tested: on calibration problems.
    """
    problems = _problems(tested)
    best = _cheapest(looked, terms, problems)
    shares = _shares(families, best)
    found = {name: _kind(families[name], tested[name], terms, shares[name]) for name in families}
    kinds = {name: kind for name, kind in found.items() if kind is not None}
    chosen = min(kinds, key=lambda name: kinds[name]["tokens_share"], default=best)
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


def redrawn(
    looked: Compared, pool: Compared, problems: int, terms: Terms, draws: int = REDRAWS, seed: int = 0
) -> dict[str, Any]:
    """Draw calibration problems from a pool again and again, and count how often what is promised is not kept there.

    The pool's losses are what a promise is held against, so that nothing about the truth is estimated. Units that are
    drawn without replacement are negatively associated (Joag-Dev and Proschan 1983, Ann. Stat. 11:286), so that no bet
    wins more on them than on independent ones: at most `alpha` of all draws break a promise, on every pool.

    Args:
        looked: on validation problems.
        pool: on all problems that may be drawn, which chose nothing.
        problems: of a draw.
        terms: what is to be promised of all kinds together.
        seed: of the draws; another one for each training, whose draws are counted together.

    Returns:
        How many of the draws promised a kind, and broke the promise of any cut-off; the mean share of the full vote's
        tokens, 1 where nothing is promised.
    """
    shares = _shares(looked, _cheapest(looked, terms, problems))
    broken = {name: [each.breaks(terms) for each in family] for name, family in pool.items()}
    source, of = np.random.default_rng(seed), _problems(pool)
    promises, breaks, tokens = 0, 0, 0.0
    for _ in range(draws):
        rows = source.permutation(of)[:problems]
        counts = {n: promised((each.of(rows) for each in family), terms, shares[n]) for n, family in pool.items()}
        promises += any(counts.values())
        breaks += any(any(broken[name][:count]) for name, count in counts.items())
        tokens += min([1.0, *(each.tokens_share for name, count in counts.items() for each in pool[name][:count])])
    return {
        "draws": draws,
        "problems": problems,
        "pool": of,
        "promised": promises,
        "broken": breaks,
        "tokens_share": tokens / draws,
    }


def _problems(of: Compared) -> int:
    return next((len(each.lost) for family in of.values() for each in family), 0)


def _shares(names: Collection[str], best: str | None) -> dict[str, float]:
    """Half of alpha for the kind that looks best, the rest for the others: all that is promised holds together."""
    others = max(1, len(names) - 1)
    return {name: 1.0 if len(names) == 1 else 0.5 if name == best else 0.5 / others for name in names}


def _cheapest(looked: Compared, terms: Terms, problems: int) -> str | None:
    """The kind whose promise would cost least if `problems` calibration problems were like those of validation."""
    costs: dict[str, float] = {}
    for name, family in looked.items():
        as_many = [each.of(np.resize(np.arange(len(each.lost)), problems)) for each in family]
        for each in family[: promised(as_many, terms)]:
            costs[name] = min(each.tokens_share, costs.get(name, 1.0))
    return min(costs, key=lambda name: costs[name], default=None)


def _kind(family: Sequence[Policy], tested: Sequence[Losses], terms: Terms, share: float) -> dict[str, Any] | None:
    """A kind's cheapest promised cut-off; None without one."""
    count = promised(tested, terms, share)
    if not count:
        return None
    # All of them hold together, so that the cheapest may be taken.
    place = min(range(count), key=lambda number: tested[number].tokens_share)
    each = tested[place]
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
