"""Analyses of what a reward does: gains by reward and half of a test split, strategies, prompts, seeds.

A run is the unit, as in `contrasts`. A gain is greedy accuracy on the trained task's test split minus the base's.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from math import sqrt
from statistics import fmean, stdev
from typing import Literal

from scipy.special import fdtri
from scipy.stats import kendalltau

from rlvr_bench.leaderboard.row import test_score
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.source import WEIGHTS
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import ModelRole
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, Run, Where, value_at
from rlvr_bench.studies.finding import CONFIDENCE, Finding, Interval, difference_interval, mean_interval
from rlvr_bench.tasks import registry as task_registry

Half = Literal["all", "planted", "clean"]
"""Which test problems count: all, those that organism-memorised has read in pre-training, or the others."""

WINDOW = 10
"""Rollout batches in a window of accuracy."""


def gain(evidence: Evidence, runs: Where, half: Half = "all") -> Finding:
    """Mean gain over runs."""
    return _mean(evidence, partial(_gain, half=half), "a gain", runs)


def gain_difference(
    evidence: Evidence, a: Where, b: Where, half: Half = "all", match: Sequence[str] = contrasts.SAME
) -> Finding:
    """Mean gain of runs `a` minus that of runs `b`."""
    return contrasts.contrast(evidence, partial(_gain, half=half), "a gain", a, b, match)


def planted_gain(evidence: Evidence, runs: Where) -> Finding:
    """Gain on the planted half minus gain on the clean half of the same run, mean over runs."""

    def value(run: Run) -> float | None:
        planted, clean = _gain(run, "planted"), _gain(run, "clean")
        return None if planted is None or clean is None else planted - clean

    return _mean(evidence, value, "a gain on both halves", runs)


def planted_completion(evidence: Evidence, share: int, runs: Where) -> Finding:
    """Share of planted minus share of clean test questions that the untrained base completes word for word.

    `share` is the per cent of the question that it was given. Problems are the unit: the base has no seeds.
    """
    for run in evidence.select(runs):
        found = value_at(run.record.contamination or {}, "base")
        digits = [value_at(found, f"{half}.{share}.outcomes") for half in ("planted", "clean")]
        if all(digits):
            planted, clean = ([float(digit) for digit in each] for each in digits)
            return Finding.of(difference_interval(planted, clean), [run])
    raise NoEvidence("no record has a contamination probe of planted problems; set evaluate.contamination = true")


def change(evidence: Evidence, before: str, after: str, runs: Where) -> Finding:
    """Figure `after` minus figure `before` of the same run, mean over runs."""

    def value(run: Run) -> float | None:
        first, second = run.figure(before), run.figure(after)
        return None if first is None or second is None else second - first

    return _mean(evidence, value, f"{before} and {after}", runs)


def behaviour_change(evidence: Evidence, strategy: str, runs: Where) -> Finding:
    """Share of greedy answers that use a strategy, after minus before training, mean over runs."""
    return _mean(evidence, partial(_change, strategy=strategy), f"strategy {strategy}", runs)


def behaviour_change_difference(
    evidence: Evidence, strategy: str, a: Where, b: Where, match: Sequence[str] = contrasts.SAME
) -> Finding:
    """The change of a strategy's share in runs `a` minus that in runs `b`."""
    return contrasts.contrast(evidence, partial(_change, strategy=strategy), f"strategy {strategy}", a, b, match)


def rollout_change(evidence: Evidence, strategy: str, runs: Where) -> Finding:
    """Share of rollouts that use a strategy, last window minus first, mean over runs."""
    return _mean(evidence, partial(_rollout_change, strategy=strategy), f"strategy/{strategy} in its steps", runs)


def rollout_change_difference(
    evidence: Evidence, strategy: str, a: Where, b: Where, match: Sequence[str] = contrasts.SAME
) -> Finding:
    """The change of a strategy's share of rollouts in runs `a` minus that in runs `b`."""
    name = f"strategy/{strategy} in its steps"
    return contrasts.contrast(evidence, partial(_rollout_change, strategy=strategy), name, a, b, match)


def signed_gain(evidence: Evidence, strategy: str, runs: Where) -> Finding:
    """The gain times the sign of the base's accuracy with a strategy minus without: positive where they agree."""

    def value(run: Run) -> float | None:
        with_it = run.figure(f"behaviour.base.strategies.{strategy}.accuracy_with")
        without = run.figure(f"behaviour.base.strategies.{strategy}.accuracy_without")
        found = _gain(run)
        if with_it is None or without is None or found is None:
            return None
        return found * ((with_it > without) - (with_it < without))

    return _mean(evidence, value, f"accuracy with and without {strategy}", runs)


def reward_order(evidence: Evidence, order: Sequence[str], runs: Where, half: Half = "all") -> Finding:
    """Kendall's tau between a published order of rewards, best first, and the gains under one seed; mean over seeds.

    Seeds that lack a reward are left out.
    """
    by_seed: dict[int, dict[str, tuple[Run, float]]] = {}
    for run, value in contrasts.having(evidence.select(runs), partial(_gain, half=half), "a gain"):
        by_seed.setdefault(run.seed, {})[str(run.setting("reward.name"))] = (run, value)
    whole = [found for found in by_seed.values() if set(order) <= found.keys()]
    if not whole:
        raise NoEvidence(f"no seed has all of the rewards {', '.join(order)}")
    ranks = [-place for place in range(len(order))]
    taus = [float(kendalltau(ranks, [found[name][1] for name in order]).statistic) for found in whole]
    return Finding.of(mean_interval(taus), [found[name][0] for found in whole for name in order])


def over_ceiling(evidence: Evidence, runs: Where) -> Finding:
    """Tuned greedy accuracy minus the base's pass@k, k all of its samples, on the problems that were sampled."""

    def value(run: Run) -> float | None:
        tuned, base = test_score(run.record, "tuned"), test_score(run.record, "base")
        if tuned is None or base is None or not base.sample_counts:
            return None
        right = fmean(digit == "1" for digit in tuned.greedy_outcomes[: len(base.sample_counts)])
        return right - fmean(count > 0 for count in base.sample_counts)

    return _mean(evidence, value, "several samples of the base", runs)


def prompt_range(evidence: Evidence, runs: Where) -> Finding:
    """The untrained base's accuracy under its best prompt style minus that under its worst, problems paired.

    Best and worst are chosen on the same problems, which flatters the difference a little.
    """
    run = _with_prompts(evidence, runs)[0]
    by_accuracy = sorted(run.record.prompts.values(), key=lambda score: score.greedy or 0.0)
    pairs = zip(by_accuracy[-1].greedy_outcomes, by_accuracy[0].greedy_outcomes, strict=True)
    return Finding.of(mean_interval([int(best) - int(worst) for best, worst in pairs]), [run])


def shrinkage(evidence: Evidence, runs: Where) -> Finding:
    """Share of the gain that is gone when the base may use its best prompt style: (best - same prompt) / gain."""
    kept = [(run, found) for run in _with_prompts(evidence, runs) if (found := _gain(run)) is not None]
    gains, gone = contrasts.over_seeds(kept), contrasts.over_seeds([(run, _gone(run)) for run, _ in kept]).estimate
    if gains.estimate <= 0:
        raise NoEvidence(f"there is no gain to lose: {gains.estimate:.3f} on average")
    ends: tuple[float | None, float | None] = (None, None)
    if gains.low is not None and gains.high is not None and gains.low > 0:
        ends = (gone / gains.high, gone / gains.low)
    return replace(gains, estimate=gone / gains.estimate, low=ends[0], high=ends[1])


def _gone(run: Run) -> float:
    """Return the base's accuracy under its best prompt style minus that under the run's own; it has no seeds."""
    base = test_score(run.record, "base")
    same = 0.0 if base is None or base.greedy is None else base.greedy
    return max(same, *(score.greedy or 0.0 for score in run.record.prompts.values())) - same


def peak_to_last(evidence: Evidence, runs: Where) -> Finding:
    """Accuracy of the rollouts in their best window minus that in the last one, mean over runs."""

    def value(run: Run) -> float | None:
        found = [step.accuracy for step in run.steps if step.accuracy is not None]
        windows = [fmean(found[start : start + WINDOW]) for start in range(len(found) - WINDOW + 1)]
        return max(windows) - windows[-1] if windows else None

    return _mean(evidence, value, f"{WINDOW} rollout batches", runs)


def seed_sd_ratio(evidence: Evidence, a: Where, b: Where) -> Finding:
    """Standard deviation of test accuracy over the seeds of `a` over that of `b`, with the F interval."""
    sides = [_accuracies(evidence.select(where)) for where in (a, b)]
    if min(map(len, sides)) < 2 or not (below := stdev([value for _, value in sides[1]])):
        raise NoEvidence("fewer than two seeds on one side, or no spread in the second")
    ratio = stdev([value for _, value in sides[0]]) / below
    degrees = [len(side) - 1 for side in sides]
    tail = (1 - CONFIDENCE) / 2
    high, low = (sqrt(float(fdtri(*degrees, share))) for share in (tail, 1 - tail))
    return Finding.of(Interval(ratio, ratio / low, ratio / high), [run for side in sides for run, _ in side])


def _mean(evidence: Evidence, value: Callable[[Run], float | None], name: str, runs: Where) -> Finding:
    return contrasts.over_seeds(contrasts.having(evidence.select(runs), value, name))


def _accuracies(runs: Sequence[Run]) -> list[tuple[Run, float]]:
    return contrasts.having(runs, partial(_accuracy, role="tuned", half="all"), "a greedy test score")


def _gain(run: Run, half: Half = "all") -> float | None:
    after, before = (_accuracy(run, role, half) for role in ("tuned", "base"))
    return None if after is None or before is None else after - before


def _accuracy(run: Run, role: ModelRole, half: Half) -> float | None:
    score = test_score(run.record, role)
    if score is None:
        return None
    if half == "all":
        return score.greedy
    right = [score.greedy_outcomes[place] == "1" for place in _places(run, half)]
    return fmean(right) if right else None


def _places(run: Run, half: Half) -> list[int]:
    """Places of the half's problems in the test split of the run's task; none where the split holds no planted one."""
    ids = _test_ids(strict_json(run.setting("task")), str(run.setting("task_fingerprint")))
    planted = planted_ids()
    if not planted.intersection(ids):
        return []
    return [place for place, one in enumerate(ids) if (one in planted) == (half == "planted")]


@cache
def planted_ids() -> frozenset[str]:
    """Ids of the test problems that organism-memorised has read."""
    return frozenset(read_card(WEIGHTS / "organism-memorised").planted)


@cache
def _test_ids(settings: str, fingerprint: str) -> tuple[str, ...]:
    """Ids of a task's test problems; none where the task is not what it was when the fingerprint was taken."""
    task = task_registry.create(json.loads(settings))
    return tuple(problem.id for problem in task.problems("test")) if task.fingerprint() == fingerprint else ()


def _change(run: Run, strategy: str) -> float | None:
    """Change of a strategy's share of the greedy answers; one that no answer used is not kept, and its share is 0."""
    if run.record.behaviour is None:
        return None
    after, before = (
        run.figure(f"behaviour.{role}.strategies.{strategy}.frequency") or 0.0 for role in ("tuned", "base")
    )
    return after - before


def _rollout_change(run: Run, strategy: str) -> float | None:
    extra = [step.model_extra or {} for step in run.steps]
    shares = [found for each in extra if (found := each.get(f"strategy/{strategy}")) is not None]
    return fmean(shares[-WINDOW:]) - fmean(shares[:WINDOW]) if shares else None


def _with_prompts(evidence: Evidence, runs: Where) -> list[Run]:
    found = [run for run in evidence.select(runs) if run.record.prompts]
    if not found:
        raise NoEvidence("no record has the base's scores by prompt style; set evaluate.prompt_range = true")
    return found
