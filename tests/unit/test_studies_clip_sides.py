"""Claims on clipping and on noise: refused where nothing was clipped, and what was planted is found."""

import hashlib
from typing import Any

import numpy as np
import pytest
from record_factory import record
from test_report_clipping import SIGNAL, made_steps

from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.clipped import refuse_unclipped
from rlvr_bench.studies.derive import judge
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.gates.equal_reward import equal_reward_ratio
from rlvr_bench.studies.rewards.clip_sides import drift_agreement, sampled_gain_difference
from rlvr_bench.studies.rewards.noise import settled_accuracy_difference, steps_to, time_ratio

TASK = {"name": "chain", "levels": [4]}
CLAIMS = {claim.id: claim for claim in load_claims()}


def _run(
    seed: int, steps: list[StepRecord], signal: dict[str, Any], tuned: str = "1100" * 10, **cell: Any
) -> EvidenceRun:
    reward = cell.pop("reward", "random")
    made = record("full", seed, tuned, base="1000" * 10, reward=reward, status="done")
    settings = made.cell | {"task": TASK, "learning_rate": 1e-4} | cell
    settings["signal"] = settings["signal"] | SIGNAL | {"steps": 240} | signal
    named = hashlib.sha256(repr((seed, signal, cell, reward)).encode()).hexdigest()[:12]
    held = made.model_dump() | {"cell": settings, "cell_id": named, "comparison": repr((signal, cell, reward))}
    return EvidenceRun(RunRecord.model_validate(held), lambda: steps)


def _with_region(share: float) -> list[StepRecord]:
    return [StepRecord.model_validate({"step": 1, "clip_ratio/region_mean": share})]


@pytest.mark.parametrize("name", ["R2a", "R2b", "R2c", "R2d", "R2e", "R2f", "R2g", "R2h", "R2i", "R2j", "R8b"])
def test_claims_on_clipping_name_the_runs_that_must_have_been_clipped(name: str) -> None:
    assert CLAIMS[name].clipped
    assert set(CLAIMS[name].clipped) <= CLAIMS[name].arguments.keys()


def test_a_claim_on_clipping_is_refused_where_nothing_was_clipped() -> None:
    signal = {"updates_per_batch": 8, "clip_low": None, "clip_high": 0.02}
    claim = CLAIMS["R8b"]
    for share, refused in ((0.0, True), (0.01, False)):
        runs = tuple(_run(seed, _with_region(share), signal, reward="random") for seed in range(8))
        evidence = Evidence("organism-steps", runs)
        if refused:
            with pytest.raises(NoEvidence, match="nothing was clipped in 8 runs"):
                refuse_unclipped(claim, evidence)
            (entry,) = [each for each in judge(claim, [evidence]) if each["base"] == "organism-steps"]
            assert entry["verdict"] == "undecided" and entry["reason"].startswith("nothing was clipped")
        else:
            refuse_unclipped(claim, evidence)


def test_sampled_gains_are_of_all_samples() -> None:
    better = [_run(seed, [], {"clip_high": 0.02}, "1110" * 10) for seed in range(3)]
    worse = [_run(seed, [], {"clip_high": 0.5}, "1000" * 10) for seed in range(3)]
    found = sampled_gain_difference(
        Evidence("organism-steps", (*better, *worse)), {"signal.clip_high": 0.02}, {"signal.clip_high": 0.5}
    )
    assert found.estimate == pytest.approx(0.5)


def _drifting(expected: float, drift: float) -> list[StepRecord]:
    """Steps in which clipping is expected to push by `expected` and the log-odds rise by `drift`."""
    return [
        StepRecord.model_validate(
            step.model_dump(exclude_none=True)
            | {"fork/clip_drift_expected": expected, "fork/log_odds": drift * (step.step > 80)}
        )
        for step in made_steps()
    ]


@pytest.mark.parametrize(("sign", "expected"), [(1.0, 1.0), (-1.0, -1.0)])
def test_drifts_that_agree_in_order_have_a_correlation_of_one(sign: float, expected: float) -> None:
    rows = [(seed, setting, _drifting(sign * setting, float(setting))) for seed in range(3) for setting in range(6)]
    runs = [_run(seed, steps, {"clip_high": 0.01 * (setting + 1)}) for seed, setting, steps in rows]
    found = drift_agreement(Evidence("organism-steps", tuple(runs)), "expected", {})
    assert found.estimate == pytest.approx(expected)
    with pytest.raises(NoEvidence, match="5 settings"):
        drift_agreement(Evidence("organism-steps", tuple(runs[:4])), "expected", {})


def _curve(accuracies: list[float]) -> list[StepRecord]:
    return [StepRecord(step=at, accuracy=each) for at, each in enumerate(accuracies, start=1)]


def test_noise_that_sets_the_rate_alone_is_slower_and_ends_alike() -> None:
    def learning(scale: float) -> list[StepRecord]:
        return _curve([0.9 * (1 - np.exp(-at / scale)) for at in range(400)])

    runs = [
        _run(seed, learning(scale), {}, reward=name)
        for seed in range(3)
        for name, scale in (("exact", 20.0 + seed), ("noisy", 2 * (20.0 + seed)))
    ]
    evidence = Evidence("organism-steps", tuple(runs))
    noisy, exact = {"reward.name": "noisy"}, {"reward.name": "exact"}
    assert time_ratio(evidence, 0.5, noisy, exact).estimate == pytest.approx(2.0, rel=0.15)  # windows have a width
    assert settled_accuracy_difference(evidence, noisy, exact).estimate == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(NoEvidence, match="an accuracy of"):
        time_ratio(evidence, 0.95, noisy, exact)


def test_a_curve_that_still_rises_has_no_fate() -> None:
    rising = [_run(seed, _curve([at / 500 for at in range(400)]), {}, reward="exact") for seed in range(3)]
    with pytest.raises(NoEvidence, match="a curve that is flat"):
        settled_accuracy_difference(Evidence("organism-steps", tuple(rising)), {}, {})


def test_curves_that_still_rise_are_left_out_and_counted() -> None:
    flat = [_run(seed, _curve([0.1 * seed + 0.5] * 400), {}, reward=name) for seed in range(3) for name in "ab"]
    rising = [_run(3, _curve([at / 500 for at in range(400)]), {}, reward="a")]
    sides = {"reward.name": "a"}, {"reward.name": "b"}
    found = settled_accuracy_difference(Evidence("organism-steps", (*flat, *rising)), *sides)
    assert found.note.endswith("1 runs whose curve still rises are left out") and found.sides == (3, 3)
    assert "left out" not in settled_accuracy_difference(Evidence("organism-steps", tuple(flat)), *sides).note


def test_steps_to_an_accuracy_are_the_end_of_the_first_such_window() -> None:
    assert steps_to(np.array([0.0] * 20 + [1.0] * 20), 0.5) == 25
    assert steps_to(np.zeros(40), 0.5) is None and steps_to(np.ones(5), 0.5) is None


def test_at_equal_reward_a_difference_that_learning_makes_is_none() -> None:
    """Norms that follow from the accuracy alone are alike at equal accuracy, however differently they were got."""

    def run(seed: int, weight: float, rate: float) -> EvidenceRun:
        accuracy = 0.3 + rate * 1e3 * (1.0 if not weight else 0.6)
        made = _run(seed, _curve([accuracy] * 20), {"kl_weight": weight}, learning_rate=rate, reward="exact")
        measured = made.record.model_copy(
            update={"measurements": {"geometry": {"relative_norm": float(np.exp(accuracy))}}}
        )
        return EvidenceRun(measured, made.read_steps)

    runs = [run(seed, weight, rate) for seed in range(3) for weight in (0.0, 0.1) for rate in (1e-4, 2e-4, 3e-4)]
    found = equal_reward_ratio(
        Evidence("organism-steps", tuple(runs)),
        "geometry.relative_norm",
        {"signal.kl_weight": 0.1},
        {"signal.kl_weight": 0.0},
    )
    assert found.estimate == pytest.approx(1.0)
