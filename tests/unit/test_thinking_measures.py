"""Measures against scikit-learn and plain recounts; votes, policies and labels against values worked out by hand."""

from itertools import pairwise, permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from rlvr_bench.generate import matmul
from rlvr_bench.generate.float32_products import LIBRARIES
from rlvr_bench.thinking import aggregate, labels, measures, trace_file
from rlvr_bench.thinking.confidence import group_score, token_confidence
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.hygiene import of_fair_difficulty, refuse_overlap, weighted
from rlvr_bench.thinking.policies import DeepConf, Drop, Halve, Keep, Threshold, label, policy
from rlvr_bench.thinking.trace import Trace, at_share, positions

SCORED = st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=2, max_size=60)


def _trace(problem: str, sample: int, correct: bool, tokens: tuple[int, ...] = (5, 6, 7)) -> Trace:
    return Trace(problem, sample, (5,), tokens, "", "1", correct, "correct" if correct else "wrong", False)


@given(SCORED)
def test_ranking_and_calibration_are_those_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, correct = [score / 40 for score, _ in rows], [right for _, right in rows]
    if len(set(correct)) == 2:
        assert measures.auroc(scores, correct) == pytest.approx(roc_auc_score(correct, scores))
    else:
        assert measures.auroc(scores, correct) is None
    if any(correct):
        assert measures.auprc(scores, correct) == pytest.approx(average_precision_score(correct, scores))
    else:
        assert measures.auprc(scores, correct) is None
    assert measures.brier(scores, correct) == pytest.approx(brier_score_loss(correct, scores, pos_label=True))


@given(SCORED)
def test_calibration_error_is_that_of_scikit_learns_curve(rows: list[tuple[int, bool]]) -> None:
    scores, correct = np.array([score / 40 for score, _ in rows]), np.array([right for _, right in rows])
    edges = np.linspace(0, 1, 11)
    filled = [(low < scores) & (scores <= high) | (low == 0) & (scores == 0) for low, high in pairwise(edges)]
    counts = np.array([place.sum() for place in filled if place.any()])
    shares, means = calibration_curve(correct, scores, n_bins=10, pos_label=True)
    expected = (np.abs(shares - means) * counts).sum() / len(rows)
    assert measures.ece(scores.tolist(), correct.tolist()) == pytest.approx(expected)
    assert measures.ece([], []) is None


def test_auroc_within_problems_counts_pairs_of_one_problem_only() -> None:
    scores, correct = [0.9, 0.1, 0.8, 0.7, 0.6], [True, False, False, False, True]
    problems = ["a", "a", "b", "b", "b"]
    pairs = [
        (scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j])
        for i in range(5)
        for j in range(5)
        if correct[i] and not correct[j] and problems[i] == problems[j]
    ]
    assert measures.within_problem_auroc(scores, correct, problems) == pytest.approx(sum(pairs) / len(pairs))
    assert measures.within_problem_auroc([0.5, 0.4], [True, False], ["a", "b"]) is None


def test_risk_rises_as_less_is_withheld() -> None:
    points = measures.risk_coverage([0.9, 0.9, 0.5, 0.2], [True, True, False, False])
    assert [(p["coverage"], p["risk"]) for p in points] == [(0.5, 0.0), (0.75, 1 / 3), (1.0, 0.5)]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=5))
def test_the_area_under_risk_and_coverage_is_the_mean_over_all_orders_of_ties(rows: list[tuple[int, bool]]) -> None:
    areas = []
    for order in permutations(rows):
        wrong = [not right for _, right in sorted(order, key=lambda row: -row[0])]
        areas.append(np.mean([sum(wrong[:end]) / end for end in range(1, len(wrong) + 1)]))
    scores, correct = [score / 3 for score, _ in rows], [right for _, right in rows]
    assert measures.risk_coverage_area(scores, correct)[0] == pytest.approx(np.mean(areas))
    # Counting every answer twice changes nothing; counting the first alone leaves its own outcome.
    twice, alone = np.full(len(rows), 2), np.eye(1, len(rows))[0]
    counted = measures.risk_coverage_area(scores, correct, np.array([twice, alone]))
    assert counted == pytest.approx([np.mean(areas), 1 - correct[0]])


def test_votes() -> None:
    answers, scores = ["1", "2", "2", None, "3"], [0.9, 0.3, 0.4, 1.0, 0.8]
    assert aggregate.majority(answers, scores) == (1, pytest.approx(0.5))
    assert aggregate.vote(answers, scores) == (0, pytest.approx(0.9 / 2.4))
    assert aggregate.best_of(answers, scores).trace == 0
    assert aggregate.log_odds(answers, scores).trace == 0
    assert aggregate.filtered(["2", "2", "1"], [0.1, 0.1, 0.9], 0.3).trace == 2
    assert aggregate.vote([None, None], [1.0, 1.0]) == (None, None)
    assert aggregate.majority(["a", "b"], [0, 0]).trace == 0
    assert aggregate.log_odds(["a", "a", "b"], [0.4, 0.4, 0.6]).trace == 2
    assert aggregate.vote(["7"], [0.2]) == (0, 0.2) and aggregate.majority(["7"], [0.2]) == (0, 1.0)
    assert aggregate.vote(["7"], [3.0]) == (0, 1.0) and aggregate.vote([None], [0.2]) == (None, None)


def test_policies_keep_the_best_and_always_one() -> None:
    alive = {0: 0.2, 1: 0.9, 2: 0.5, 3: 0.5}
    assert Keep(count=2, at=4).survivors(4, alive) == {1, 2}
    assert Halve(every=4).survivors(4, alive) == {1, 2} and Halve().survivors(4, {3: 0.1}) == {3}
    assert Drop(count=3, every=2).survivors(2, alive) == {1} and Drop(count=9).survivors(4, alive) == {1}
    assert Threshold(least=0.5).survivors(4, alive) == {1, 2, 3} and Threshold(least=0.95).survivors(4, alive) == {1}
    assert [read for read in range(1, 9) if Halve(every=4).due(read)] == [4, 8]
    assert [read for read in range(1, 9) if Keep(at=3).due(read)] == [3]


def test_a_policy_is_read_as_it_is_written() -> None:
    assert policy("keep:count=2,at=6") == Keep(count=2, at=6)
    assert policy(label(DeepConf(eta=0.1))) == DeepConf(eta=0.1)
    for text, what in (("halv", "did you mean 'halve'"), ("keep:count=0", "keep:count=0"), ("drop:x=1", "x")):
        with pytest.raises(ThinkingError, match=what):
            policy(text)


def test_labels() -> None:
    assert [labels.ramp(place, 4, True) for place in (1, 4)] == [0.625, 1.0]
    assert [labels.ramp(place, 4, False) for place in (2, 4)] == [0.25, 0.0]
    assert labels.ramp(0, 0, False) == 0.0
    scores = torch.tensor([[0.2, 0.6, 0.8], [0.5, 0.1, 0.0]])
    targets = labels.lambda_returns(scores, [3, 2], torch.tensor([1.0, 0.0]), 0.75)
    last = 0.25 * 0.8 + 0.75 * 1.0
    assert targets[0].tolist() == pytest.approx([0.25 * 0.6 + 0.75 * last, last, 1.0])
    assert targets[1].tolist() == pytest.approx([0.25 * 0.1, 0.0, 0.0])


def test_confidence_by_hand() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    log_probs = (logits.double() - logits.double().logsumexp(-1)).numpy()[0]
    assert token_confidence(logits, 2).item() == pytest.approx(-log_probs[:2].mean(), rel=1e-6)
    assert token_confidence(logits).item() == pytest.approx(-log_probs.mean(), rel=1e-6)
    values = [4.0, 1.0, 2.0, 6.0]
    assert group_score(values, "mean", 2) == 3.25 and group_score(values, "tail", 2) == 4.0
    assert group_score(values, "lowest", 2) == 1.5 and group_score(values, "bottom10", 2) == 1.5
    assert group_score(values[:1], "lowest", 2) == 4.0


def test_traces_of_test_problems_are_refused_and_classes_weigh_the_same() -> None:
    traces = [_trace("a", number, number == 0) for number in range(4)] + [_trace("b", n, True) for n in range(4)]
    refuse_overlap(traces, {"c"})
    with pytest.raises(ThinkingError, match="1 problems that the scorer would learn from are in the test split"):
        refuse_overlap(traces, {"b", "c"})
    fair = of_fair_difficulty(traces, 0.1, 0.9)
    assert {trace.problem for trace in fair} == {"a"}
    with pytest.raises(ThinkingError, match="not both right and wrong"):
        of_fair_difficulty(traces, 0.9, 1.0)
    weights = weighted([_trace("a", 0, True, (5, 6)), *fair[1:]], balance=True)
    assert len(weights) == 2 and len(set(weights.values())) == 1


def test_positions() -> None:
    assert positions(7, 3) == [3, 6, 7] and positions(0, 4) == [0] and positions(2, 4) == [2]
    assert [at_share(share, 8) for share in (0.01, 0.5, 1.0)] == [1, 4, 8] and at_share(1.0, 0) == 0


def test_traces_and_probes_of_another_product_library_have_another_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = set[str]()
    for library in LIBRARIES:
        monkeypatch.setattr(matmul, "library", lambda library=library: library)
        keys.add(trace_file.key({"split": "test"}))
    assert len(keys) == len(LIBRARIES)
