"""Verdicts on scorers over several trainings of one study, against numpy and against what must hold."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, sem, t

from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.thinking.analyses import (
    broken_promises,
    promised_tokens,
    scorer_difference,
    tenth_of_tokens,
    vote_difference,
)

PROBLEMS = 60


def _point(outcomes: np.ndarray, **changes: Any) -> dict[str, Any]:
    point = {"policy": "full", "scorer": None, "aggregator": "majority", "n": 4, "live": True}
    return point | {"outcomes": "".join(str(int(right)) for right in outcomes)} | changes


def _document(seed: int, gain: float = 0.1, spread: float = 0.0, task: str = "chain") -> dict[str, Any]:
    """A study whose problems are the same for every seed, and whose training moves the probe by `spread`."""
    problems, training = np.random.default_rng(7), np.random.default_rng(seed)
    pairs = problems.integers(0, 9, PROBLEMS)
    plain = problems.random(PROBLEMS) * pairs
    moved = gain + spread * training.standard_normal()
    probe = np.clip(plain / np.maximum(pairs, 1) + moved + 0.01 * training.standard_normal(PROBLEMS), 0, 1) * pairs
    majority, own = problems.random(PROBLEMS) < 0.4, training.random(PROBLEMS) < 0.6
    return {
        "name": f"{task}-{seed}",
        "model": "m",
        "base": "m",
        "task": {"name": task},
        "settings": {"traces": {"samples": 4}, "scorer": {"seed": seed}},
        "scorers": [
            {"name": "otv", "pairs_by_problem": np.stack([probe, pairs], axis=1).tolist()},
            {"name": "length", "pairs_by_problem": np.stack([plain, pairs], axis=1).tolist()},
        ],
        "frontier": [
            _point(majority),
            _point(own, scorer="otv", policy="keep:count=1,at=2", aggregator="weighted", chosen_for_share=0.1),
            _point(majority, live=False),
            _point(own, live=False, scorer="otv", aggregator="weighted"),
        ],
    }


def _evidence(*documents: dict[str, Any]) -> Evidence:
    return Evidence("m", (), documents)


def test_the_difference_of_several_trainings_is_that_of_their_pairs() -> None:
    documents = [_document(seed, spread=0.05) for seed in range(3)]
    found = scorer_difference(_evidence(*documents), "otv", "length")
    pairs = [[np.array(v["pairs_by_problem"]) for v in document["scorers"]] for document in documents]
    each = [(own[:, 0].sum() - other[:, 0].sum()) / own[:, 1].sum() for own, other in pairs]
    assert found.estimate == pytest.approx(np.mean(each))
    assert "interval over problems and trainings; from chain-0 (3 trainings)" in found.note


def test_trainings_that_say_the_same_do_not_count_as_more_problems() -> None:
    one = scorer_difference(_evidence(_document(0)), "otv", "length")
    repeated = scorer_difference(_evidence(*[_document(0)] * 3), "otv", "length")
    assert repeated.estimate == pytest.approx(one.estimate)
    width = repeated.high - repeated.low
    assert width > 0.85 * (one.high - one.low)


def test_trainings_that_differ_widen_the_interval() -> None:
    calm = scorer_difference(_evidence(*(_document(seed) for seed in range(3))), "otv", "length")
    wild = scorer_difference(_evidence(*(_document(seed, spread=0.1) for seed in range(3))), "otv", "length")
    assert wild.high - wild.low > 2 * (calm.high - calm.low)


def test_other_tasks_are_other_studies() -> None:
    found = scorer_difference(_evidence(_document(0), _document(0, task="sums")), "otv", "length")
    assert "interval over problems; from chain-0, sums-0" in found.note


def test_studies_are_judged_by_name_with_all_of_their_trainings() -> None:
    own, other = [_document(seed) for seed in range(3)], [_document(seed, task="sums") for seed in range(3)]
    alone = tenth_of_tokens(_evidence(*own), "otv")
    assert tenth_of_tokens(_evidence(*own, *other), "otv", ["chain-0"]) == alone
    assert tenth_of_tokens(_evidence(*own, *other), "otv").note != alone.note
    with pytest.raises(NoEvidence):
        tenth_of_tokens(_evidence(*other), "otv", ["chain-0"])
    one = scorer_difference(_evidence(*own), "otv", "length")
    assert scorer_difference(_evidence(*own, *other), "otv", "length", ["chain-0"]) == one


def test_accuracies_are_averaged_over_trainings() -> None:
    documents = [_document(seed) for seed in range(3)]
    own = [[float(digit) for digit in document["frontier"][1]["outcomes"]] for document in documents]
    full = [float(digit) for digit in documents[0]["frontier"][0]["outcomes"]]
    weighted, majority = {"scorer": "otv", "aggregator": "weighted"}, {"scorer": "", "aggregator": "majority"}
    for found in (
        tenth_of_tokens(_evidence(*documents), "otv"),
        vote_difference(_evidence(*documents), weighted, majority),
    ):
        assert found.estimate == pytest.approx(np.mean(own) - np.mean(full))
        assert found.low < found.estimate < found.high
    with pytest.raises(NoEvidence, match="none of 3 comparisons of scorers"):
        tenth_of_tokens(_evidence(*documents), "stop")


def _promised(seed: int, broken: int, tokens_share: float, max_loss: float = 0.02) -> dict[str, Any]:
    drawn = {
        "draws": 400,
        "problems": 100,
        "pool": 300,
        "promised": 390,
        "broken": broken,
        "tokens_share": tokens_share,
    }
    return _document(seed) | {"promise": {"max_loss": max_loss, "redrawn": drawn}}


def test_broken_promises_are_counted_over_the_draws_of_all_trainings() -> None:
    documents = [_promised(0, 4, 0.5), _promised(1, 9, 0.7), _promised(2, 0, 0.2, max_loss=0.1), _document(3)]
    found = broken_promises(_evidence(*documents), 0.02)
    exact = binomtest(13, 800).proportion_ci()  # Clopper and Pearson's
    assert (found.estimate, found.low, found.high) == pytest.approx((13 / 800, exact.low, exact.high))
    assert found.seeds == (0, 1) and "800 draws of 100 of 300 problems" in found.note
    assert found.judgement("below", 0.05) == "supported" and found.judgement("below", 0.002) == "contradicted"
    assert found.p_value(found.high) == pytest.approx(0.05) and found.p_value(found.low) == pytest.approx(0.05)
    none = broken_promises(_evidence(_promised(0, 0, 0.5)), 0.02)
    assert (none.estimate, none.low) == (0, 0) and none.high == pytest.approx(1 - 0.025 ** (1 / 400))
    with pytest.raises(NoEvidence, match=r"none of 4 comparisons of scorers drew a promise of 0\.05 anew"):
        broken_promises(_evidence(*documents), 0.05)
    with pytest.raises(NoEvidence):
        broken_promises(_evidence(*documents), 0.02, ["another"])


def test_promised_tokens_have_an_interval_over_trainings() -> None:
    shares = [0.5, 0.7, 0.45]
    found = promised_tokens(_evidence(*(_promised(seed, 0, share) for seed, share in enumerate(shares))), 0.02)
    low, high = t.interval(0.95, 2, np.mean(shares), sem(shares))
    assert (found.estimate, found.low, found.high) == pytest.approx((np.mean(shares), low, high))
    alone = promised_tokens(_evidence(_promised(0, 0, 0.5)), 0.02)
    assert (alone.estimate, alone.low, alone.high) == (0.5, None, None)


def test_claims_on_probed_rollouts_choose_the_arms_of_their_preset() -> None:
    grid = cells(load("probe-rollouts"))
    runs = [
        EvidenceRun(
            SimpleNamespace(
                cell=cell.model_dump(mode="json"), status="done", keys=SimpleNamespace(seed=cell.seed), cell_id=cell.id
            )  # type: ignore[arg-type]
        )
        for cell in grid
    ]
    evidence, sides = Evidence("organism-steps", tuple(runs)), {}
    for claim in load_claims():
        if claim.id.startswith("R23"):
            asked = {name: claim.asked[name] for name in ("a", "b", "runs") if name in claim.asked}
            sides[claim.id] = [
                {json.dumps(run.setting("interventions")) for run in evidence.select(where)} for where in asked.values()
            ]
            assert all(len(evidence.select(where)) == claim.seeds for where in asked.values())
    probe, control, paid, plain = sides["R23a"][0], sides["R23a"][1], sides["R23c"][0], sides["R23b"][1]
    assert sides["R23b"][0] == probe and sides["R23d"] == [paid, plain] and plain == {"{}"}
    assert len(grid) == 40 and len(probe | control | paid | plain) == 4
