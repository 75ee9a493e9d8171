"""Promises of stopping kept over many draws of calibration problems, and the evidence of a calibrated score."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlvr_bench.thinking.cut_offs import calibration, cut_offs
from rlvr_bench.thinking.frontier import whole
from rlvr_bench.thinking.live import LiveRun
from rlvr_bench.thinking.policies import Evidence, Full, Policy, Threshold, label, policy
from rlvr_bench.thinking.promise import Losses, Terms, choose, compared, losses, pooled, promised, redrawn
from rlvr_bench.thinking.simulate import simulate
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import Scores

SIZE, LENGTH = 4, 8


def drawn(problems: int, source: np.random.Generator, informative: float = 1.0) -> tuple[list[Trace], Scores]:
    """Traces of problems of random difficulty; each position's score is the posterior of a right end.

    What is read at a position is normal with mean `informative` / 2 in a right trace and - `informative` / 2 in a wrong
    one, so that the log odds grow by `informative` times it.
    """
    traces, scores = [], []
    for number in range(problems):
        difficulty = source.random()
        for sample in range(SIZE):
            right = bool(source.random() < difficulty)
            read = informative * (source.normal(size=LENGTH) + (informative / 2 if right else -informative / 2))
            odds = read.cumsum()
            answer = "1" if right else str(source.integers(2, 4))
            trace = Trace(f"{number}", sample, (5,), tuple(range(LENGTH + 1)), "", answer, right, "", False)
            traces.append(trace)
            scores.append({place + 1: float(1 / (1 + np.exp(-value))) for place, value in enumerate(odds)})
    return traces, scores


def _losses(policy: Policy, problems: int, source: np.random.Generator, informative: float) -> Losses:
    traces, scores = drawn(problems, source, informative)
    return losses(simulate(policy, traces, scores, SIZE, 1), whole(traces, scores, SIZE, SIZE, 1), "weighted")


def test_the_evidence_of_a_calibrated_score_reaches_its_bound_for_few_right_traces() -> None:
    # Of single traces, since the best of a problem is never dropped; looked at after every token.
    traces, scores = drawn(3000, np.random.default_rng(0))
    prior = sum(trace.correct for trace in traces) / len(traces)
    for alpha in (0.02, 0.1):
        chosen = Evidence(alpha=alpha, prior=prior)
        ever = [max(map(chosen.log_evidence, own.values())) >= -np.log(alpha) for own in scores]
        right = np.array([trace.correct for trace in traces])
        share, error = np.mean(np.array(ever)[right]), 3 * np.sqrt(alpha / right.sum())
        assert share <= alpha + error
        assert np.mean(np.array(ever)[~right]) > 2 * alpha


def test_evidence_drops_at_its_bound_and_keeps_one() -> None:
    chosen = policy("evidence:alpha=0.1,every=2,prior=0.5")
    assert isinstance(chosen, Evidence) and chosen == policy(label(chosen))
    assert chosen.survivors(2, {0: 1 / 10, 1: 1 / 12, 2: 0.9}) == {0, 2}  # odds against of 9 and 11
    assert chosen.survivors(2, {0: 0.01, 1: 0.02}) == {1}
    assert [read for read in range(1, 5) if chosen.due(read)] == [2, 4]


def test_calibration_undoes_a_squeezed_score() -> None:
    traces, scores = drawn(1500, np.random.default_rng(1))
    odds = [{place: np.log(value / (1 - value)) for place, value in own.items()} for own in scores]
    squeezed = [{place: float(1 / (1 + np.exp(-(value - 0.6) / 3))) for place, value in own.items()} for own in odds]
    slope, shift = calibration(traces, squeezed)
    assert slope == pytest.approx(3, rel=0.1) and shift == pytest.approx(0.6, abs=0.1)


def test_losses_are_those_of_a_recount() -> None:
    traces, scores = drawn(30, np.random.default_rng(2))
    run, full = simulate(Threshold(least=0.4, every=2), traces, scores, SIZE, 1), whole(traces, scores, SIZE, SIZE, 1)
    each = losses(run, full, "majority")
    dropped = sum(trace.correct for trace, gone in zip(traces, run.dropped, strict=True) if gone)
    assert each.dropped_share == pytest.approx(dropped / sum(trace.correct for trace in traces))
    assert set(each.lost) <= {-1.0, 0.0, 1.0} and each.tokens_share < 1
    assert not losses(full, full, "majority").lost.any()


@pytest.mark.parametrize("terms", [Terms(0.05), Terms(0.05, max_dropped=0.1)])
def test_a_promise_is_broken_in_at_most_five_percent_of_calibrations(terms: Terms) -> None:
    # The truth of each cut-off from many problems, then 300 calibrations that pick one each.
    source, family = (
        np.random.default_rng(3),
        [Threshold(least=x, every=2) for x in (0.02, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75)],
    )
    pool = [_losses(each, 2500, np.random.default_rng(4), 0.7) for each in family]
    truth = [(float(each.lost.mean()), each.dropped_share or 0.0) for each in pool]
    assert truth[-1][0] > terms.max_loss or truth[-1][1] > terms.max_dropped  # some cut-off must be refused
    broken, count, draws = 0, 0, 300
    for _ in range(draws):
        rows = source.integers(0, 2500, 250)
        chosen = promised([each.of(rows) for each in pool], terms)
        count += chosen > 0
        broken += chosen > 0 and (truth[chosen - 1][0] > terms.max_loss or truth[chosen - 1][1] > terms.max_dropped)
    assert broken / draws <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert count > draws / 2  # not kept by never promising


@pytest.mark.parametrize("terms", [Terms(0.05), Terms(0.05, max_dropped=0.1), Terms(0.05, confidence=0.5)])
def test_promises_of_all_kinds_hold_where_calibration_problems_are_drawn_anew(terms: Terms) -> None:
    families: dict[str, list[Policy]] = {
        "threshold": [Threshold(least=least, every=2) for least in (0.02, 0.1, 0.3, 0.6)],
        "keep": [policy(f"keep:count={count},at=2") for count in (3, 2, 1)],
    }
    looked, one, other = (
        {
            name: [_losses(each, problems, np.random.default_rng(seed), 0.7) for each in family]
            for name, family in families.items()
        }
        for problems, seed in ((64, 7), (250, 8), (500, 9))
    )
    pool = pooled(one, other)
    assert pool["keep"][0].lost.tolist() == [*one["keep"][0].lost, *other["keep"][0].lost]
    assert pool["keep"][0].full_tokens == one["keep"][0].full_tokens + other["keep"][0].full_tokens
    assert any(each.breaks(terms) for family in pool.values() for each in family)  # some cut-off must be refused
    found = redrawn(looked, pool, 250, terms, draws=100)
    assert (found["draws"], found["problems"], found["pool"]) == (100, 250, 750)
    assert found["broken"] <= 100 * terms.alpha + 3 * np.sqrt(100 * terms.alpha * terms.confidence)
    assert found["promised"] > 50  # not kept by never promising
    assert found["tokens_share"] < 1 or terms.max_dropped < 1  # what drops few right traces saves less than it reads
    # The same draws by the rule that `think` itself uses, whose document has the promised kinds.
    source, promises = np.random.default_rng(0), 0
    for _ in range(100):
        rows = source.permutation(750)[:250]
        drawn_now = {name: [each.of(rows) for each in family] for name, family in pool.items()}
        promises += bool(choose(families, looked, drawn_now, terms)["kinds"])
    assert found["promised"] == promises


def test_a_draw_that_breaks_its_promise_is_counted() -> None:
    # One problem of 100 loses, which is more than is promised; a draw of 90 misses it in a tenth of draws.
    def on(lost: list[float]) -> dict[str, list[Losses]]:
        return {"keep": [Losses(np.array(lost), np.zeros(len(lost)), np.ones(len(lost)), 1, 2)]}

    terms = Terms(0.009, confidence=0.3)
    found = redrawn(on([0.0]), on([1.0] + [0.0] * 99), 90, terms, draws=400)
    assert found["broken"] == found["promised"] and abs(found["broken"] / 400 - 0.1) < 3 * np.sqrt(0.09 / 400)
    other = redrawn(on([0.0]), on([1.0] + [0.0] * 99), 90, terms, draws=400, seed=1)
    assert other["broken"] != found["broken"]  # another training has draws of its own
    kept = redrawn(on([0.0]), on([0.0] * 100), 90, terms, draws=50)
    assert (kept["promised"], kept["broken"], kept["tokens_share"]) == (50, 0, 0.5)


def test_too_few_problems_promise_nothing_and_enough_save_tokens() -> None:
    source = np.random.default_rng(5)

    class Replayed:
        def __init__(self, problems: int) -> None:
            self.traces, self.scores = drawn(problems, source, 2.0)

        def __call__(self, policy: Policy) -> LiveRun:
            if isinstance(policy, Full):
                return whole(self.traces, self.scores, SIZE, SIZE, 1)
            return simulate(policy, self.traces, self.scores, SIZE, 1)

    validation = Replayed(64)
    families = cut_offs(validation.traces, validation.scores, SIZE)
    looked = compared(families, validation, "weighted")

    def chosen(problems: int, max_loss: float) -> dict[str, Any]:
        return choose(families, looked, compared(families, Replayed(problems), "weighted"), Terms(max_loss))

    nothing = chosen(100, 0.02)
    assert (nothing["policy"], nothing["tokens_share"], nothing["kinds"]) == ("full", 1.0, {})
    none_left = chosen(0, 0.02)
    assert (none_left["policy"], none_left["problems"]) == ("full", 0)
    promise = chosen(1000, 0.03)
    assert promise["kind"] is not None and promise["tokens_share"] < 0.9
    own = promise["kinds"][promise["kind"]]
    assert own["dropped"] <= own["dropped_bound"] <= 1 and policy(own["policy"])


def test_kinds_that_need_a_scale_are_not_offered_without_one() -> None:
    traces, scores = drawn(20, np.random.default_rng(6))
    assert "threshold" not in cut_offs(traces, None, SIZE) and "deepconf" not in cut_offs(traces, scores, SIZE)
    always = [replace(trace, correct=True) for trace in traces]
    assert "evidence" not in cut_offs(always, scores, SIZE)
