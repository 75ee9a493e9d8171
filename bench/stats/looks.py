"""What a comparison claims, and when: seeds are added at declared looks, and a claim once made stays.

Each of four looks spends a quarter of alpha (Bonferroni over looks, as a spending function that is declared before: Lan
& DeMets 1983, Biometrika 70:659). What was claimed follows from the scores alone: every look up to the last is made
again on the first 5, 10, 20 and 40 runs of each method, so that nobody needs to remember it. At a look

- a pair is *separated* by Holm's step-down over the p-values of its pairs that are not yet separated;
- a pair is *equivalent* if two one-sided tests put its difference within the margin (Schuirmann 1987, J. Pharmacokinet.
  Biopharm. 15:657), by Holm's step-down over the same pairs: either kind of claim has its own 5 %;
- a row may no longer be the best if p / 2 (rows - 1) <= alpha / 4 for a better one (Hsu 1984, Ann. Stat. 12:1136).

A pair is tested at the looks that both of its methods reach, so that a method whose pairs are all closed needs no more
seeds. Whether a method is brought to a look may depend on everything seen before: its p-value there does not. Seeds
between the looks, and after the last, count through an e-process (`anytime`), which may be looked at after every one.
Runs are compared by their accuracy given that they are sound; that some break is another estimand (`broken`).

Comparisons with a false claim of a difference among 2,000 simulated ones of methods that are equal in truth, looked at
four times, and with one that is as good as any left out of those that may be the best, in per cent (standard error 0.5;
skewed twice means that half of the methods trail to either side, which no accuracies near each other do):

| seeds scatter | 8 methods | 20 methods |
|---|---|---|
| alike | 2.2 / 3.4 | 2.1 / 2.1 |
| by 0.7 to 39 points | 2.1 / 3.0 | 1.3 / 2.9 |
| one by 39 points, the others by 0.7 | 1.5 / 0.8 | 1.6 / 0.4 |
| with heavy tails (t with 3 degrees of freedom) | 1.1 / 1.5 | 0.7 / 1.2 |
| skewed (exponential) | 0.8 / 1.4 | 0.4 / 0.6 |
| skewed twice | 4.2 / 6.7 | 5.1 / 6.0 |
| at both ends (beta with 0.3 and 0.3) | 1.4 / 1.4 | 2.5 / 1.1 |

Looked at after each of 5 to 40 seeds, 3.6 and 2.8 % of comparisons of 8 and 20 methods that scatter alike hold a false
claim, of the looks and the e-process together (their bounds add up to 10 %); plain letters at 5 % make 24 and 25 %.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

import numpy as np

from rlvr_bench.stats.anytime import anytime_claims
from rlvr_bench.stats.comparison import compare
from rlvr_bench.stats.letters import letters
from rlvr_bench.stats.random_effects import Floats, cell_means, problem_variance

ALPHA = 0.05
"""Chance that a comparison makes one false claim or more of a kind."""

LOOKS = (5, 10, 20, 40)
"""Seeds of a method, broken runs included, at which claims are made."""

MARGIN = 0.03
"""Two methods are equivalent if their accuracies differ by less: three points."""

MIN_SOUND = 3
"""A method with fewer sound runs at a look is not compared there: it has no accuracy given sound to speak of."""

Pair = tuple[str, str]
"""Two methods in the order of the alphabet."""


class PairState(StrEnum):
    """What is claimed of two methods."""

    SEPARATED = "separated"
    EQUIVALENT = "equivalent"
    OPEN = "open"


@dataclass(frozen=True)
class Runs:
    """The runs of one method in the declared order of their seeds.

    Attributes:
        outcomes: of the sound runs, shape (sound runs, problems[, samples]), each in [0, 1]; the same problems in the
            same order for all methods of a comparison. A model without seeds, such as an untrained base, has one row.
        places: of each sound run among all runs, ascending, from 0.
        count: all runs, broken ones included; None for a model without seeds, which stands at every look.
    """

    outcomes: Floats
    places: tuple[int, ...]
    count: int | None

    @classmethod
    def all_sound(cls, outcomes: Floats) -> "Runs":
        """Return runs of which none broke, from outcomes of shape (seeds, problems[, samples])."""
        return cls(outcomes, tuple(range(len(outcomes))), len(outcomes))

    @classmethod
    def untrained(cls, outcomes: Floats) -> "Runs":
        """Return a model without seeds, from outcomes of shape (evaluations, problems[, samples])."""
        return cls(outcomes, tuple(range(len(outcomes))), None)

    @property
    def look(self) -> int | None:
        """The largest look that the runs reach; None before the first and without seeds."""
        return None if self.count is None else reached_look(self.count)

    def at(self, look: int) -> Floats | None:
        """Return the outcomes of the sound ones of the first `look` runs; None if these are too few to compare."""
        if self.count is None:
            return self.outcomes
        sound = [row for row, place in enumerate(self.places) if place < look]
        return self.outcomes[sound] if self.count >= look and len(sound) >= MIN_SOUND else None

    def by_seed(self, seeds: int) -> Floats:
        """Return the accuracy of each run, shape (seeds,): NaN where there is none or it broke."""
        accuracies = cell_means(self.outcomes).mean(axis=1)
        if self.count is None:
            return np.full(seeds, accuracies.mean())
        by_seed = np.full(seeds, np.nan)
        by_seed[list(self.places)] = accuracies
        return by_seed

    def by_problem(self, seeds: int) -> Floats:
        """Return accuracies by problem over the sound ones of the first 1, 2, ... runs, shape (seeds, problems)."""
        cells = cell_means(self.outcomes)
        if self.count is None:
            return np.broadcast_to(cells.mean(axis=0), (seeds, cells.shape[1]))
        sums = cells.cumsum(axis=0)
        sound = np.searchsorted(self.places, np.arange(seeds), side="right")
        return np.asarray(sums[np.maximum(sound, 1) - 1] / np.maximum(sound, 1)[:, None])


@dataclass(frozen=True)
class Decision:
    """What stands claimed of the methods of one comparison.

    Attributes:
        look: the last look that claims were made at; None before the first.
        pairs: the state of every pair of methods that was compared at some look. A method with too few sound runs
            stands in no pair.
        may_be_best: the compared methods that none is claimed to be better than. The truly best of them is one of
            these in 95 % of comparisons.
        p_values: two-sided, of each pair at the last look that both reached; unadjusted.
    """

    look: int | None
    pairs: Mapping[Pair, PairState]
    may_be_best: frozenset[str]
    p_values: Mapping[Pair, float]

    def letters(self, order: Sequence[str]) -> dict[str, str]:
        """Return tie groups of methods, the best first: two share a letter exactly when they are not separated."""
        return letters(order, lambda one, other: self.pairs.get(pair_of(one, other)) is PairState.SEPARATED)

    def equivalent_to(self, name: str) -> list[str]:
        """Return the methods that are claimed to be equivalent to this one, in the order of the alphabet."""
        pairs = [pair for pair, state in self.pairs.items() if state is PairState.EQUIVALENT and name in pair]
        return sorted(one if other == name else other for one, other in pairs)


NOTHING_CLAIMED = Decision(None, {}, frozenset(), {})


def next_look(seeds: int) -> int | None:
    """Return the first look that needs more seeds than these, None after the last."""
    return next((look for look in LOOKS if look > seeds), None)


def reached_look(seeds: int) -> int | None:
    """Return the last look that so many seeds reach, None before the first."""
    return max((look for look in LOOKS if look <= seeds), default=None)


def pair_of(one: str, other: str) -> Pair:
    """Return two names as a pair."""
    return (one, other) if one < other else (other, one)


def decide(scores: Mapping[str, Runs], margin: float = MARGIN, earlier: Decision | None = None) -> Decision:
    """Return what the runs at hand allow to claim, at all looks that they reach.

    Args:
        scores: by method.
        margin: of equivalence, as a fraction of 1.
        earlier: claims that stay whatever the scores say; its looks are not made again.

    Raises:
        ValueError: the margin is not above 0, or methods have different numbers of problems.
    """
    if margin <= 0:
        raise ValueError(f"margin is {margin}; two methods can only be equivalent within a margin above 0")
    decision = earlier or NOTHING_CLAIMED
    for look in LOOKS:
        if decision.look is None or look > decision.look:
            decision = _decide_at(look, scores, margin, decision)
    return _between_looks(scores, decision)


def _decide_at(look: int, scores: Mapping[str, Runs], margin: float, earlier: Decision) -> Decision:
    tables = {name: table for name, runs in scores.items() if (table := runs.at(look)) is not None}
    if all(scores[name].count is None for name in tables):
        return earlier
    comparison = compare(tables)
    tested = [pair_of(comparison.names[i], comparison.names[j]) for i, j in comparison.pairs()]
    names = {name for pair in [*tested, *earlier.pairs] for name in pair} | set(tables)
    states = {pair: earlier.pairs.get(pair, PairState.OPEN) for pair in combinations(sorted(names), 2)}
    family = sum(state is not PairState.SEPARATED for state in states.values())
    claims = (
        (PairState.SEPARATED, comparison.p_values),
        (PairState.EQUIVALENT, comparison.equivalence(margin)),
    )
    for state, p_values in claims:
        at_issue = [(p, pair) for p, pair in zip(p_values, tested, strict=True) if states[pair] is PairState.OPEN]
        states |= dict.fromkeys(holm(at_issue, family, ALPHA / len(LOOKS)), state)
    beaten = {name for pair in earlier.pairs for name in pair} - earlier.may_be_best
    beaten |= set(comparison.names) - comparison.best(ALPHA / len(LOOKS))
    present = dict(zip(tested, comparison.p_values.tolist(), strict=True))
    return Decision(look, states, frozenset(names - beaten), {**earlier.p_values, **present})


def _between_looks(scores: Mapping[str, Runs], decision: Decision) -> Decision:
    """Return a decision with what the e-process claims of the pairs that no look has separated."""
    names = sorted({name for pair in decision.pairs for name in pair} & scores.keys())
    if len(names) < 2:
        return decision
    seeds = max(scores[name].count or 0 for name in names)
    by_seed = np.array([scores[name].by_seed(seeds) for name in names])
    by_problem = np.array([scores[name].by_problem(seeds) for name in names])
    first, second = np.triu_indices(len(names), 1)
    variance = np.array([problem_variance(by_problem[:, seed], first, second) for seed in range(seeds)]).T
    claims = anytime_claims(first, second, by_seed, variance, ALPHA)
    states, beaten = dict(decision.pairs), set[str]()
    for place in np.flatnonzero(claims.separated):
        pair = names[first[place]], names[second[place]]
        if states[pair] is PairState.OPEN:
            states[pair] = PairState.SEPARATED
            beaten.add(pair[1] if claims.first_is_better[place] else pair[0])
    return replace(decision, pairs=states, may_be_best=decision.may_be_best - beaten)


def holm(p_values: Iterable[tuple[float, Pair]], family: int, alpha: float) -> list[Pair]:
    """Return the pairs that Holm's step-down rejects (Holm 1979, Scand. J. Stat. 6:65).

    Args:
        family: hypotheses in all: those without a p-value here are not rejected, but count.
    """
    rejected: list[Pair] = []
    for p, pair in sorted(p_values):
        if p > alpha / (family - len(rejected)):
            break
        rejected.append(pair)
    return rejected
