"""What the report says of clipping, on crafted steps."""

import pytest

from rlvr_bench.record.schema import StepRecord
from rlvr_bench.report.clipping import clipping
from rlvr_bench.report.curves import curves, is_drawn
from rlvr_bench.stats.clip_drift import step_size

SIGNAL = {"updates_per_batch": 4, "prompts_per_batch": 8, "group_size": 8}


def made_steps(fork: bool = True, clipped: float = 0.01) -> list[StepRecord]:
    """160 updates in which the log-odds rise by one over the windows at both ends."""
    rows = []
    for number in range(160):
        row = {"step": number + 1, "clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": clipped}
        if fork:
            row |= {
                "clip_ratio/fork_low": 0.0,
                "clip_ratio/fork_high": 0.05,
                "fork/log_odds": float(number >= 80),
                "fork/variance": 0.2,
                "fork/log_odds_spread": 0.1,
                "fork/clip_drift_low": 0.0,
                "fork/clip_drift_high": 0.002,
                "fork/clip_drift_expected": 0.001,
            }
        rows.append(StepRecord.model_validate(row))
    return rows


def test_predicted_drift_is_the_summed_push_times_the_step_of_an_update() -> None:
    found = clipping(SIGNAL, made_steps())
    step = step_size(0.1, 0.2, 16, 4)
    assert found["expected"] == pytest.approx(step * 160 * 0.001)
    assert found["from_clips"] == pytest.approx(step * 160 * 0.002)
    assert found["drift"] == pytest.approx(1.0)
    assert (found["tokens_high"], found["fork_high"], found["spread"]) == pytest.approx((0.01, 0.05, 0.1))


def test_older_steps_and_single_updates_have_shares_alone() -> None:
    assert clipping(SIGNAL, made_steps(fork=False)) == pytest.approx({"tokens_low": 0.0, "tokens_high": 0.01})
    assert "expected" not in clipping(SIGNAL | {"updates_per_batch": 1}, made_steps())
    assert clipping(SIGNAL, []) == {}


def test_curves_show_the_sides_that_were_clipped() -> None:
    drawn = curves([made_steps()])
    assert "clip_ratio_high_mean" in drawn and "clip_ratio_low_mean" not in drawn
    assert all(map(is_drawn, ("clip_ratio/high_mean", "clip_ratio/fork_low", "fork/log_odds")))
