"""The collapse rule and the summary of a run, on hand-made step records."""

import random
from statistics import median

import pytest
from record_factory import outcomes, record, score
from scipy.stats import binomtest

from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.train.collapse import BEYOND_NOISE, PATIENCE, WINDOW, collapse, ending, relabelled
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.stability import spikes, summarise

BATCH = 64


def _steps(accuracy: list[float], **metrics: list[float]) -> list[StepRecord]:
    """One record per rollout batch, each window of the run at one accuracy."""
    names = {"entropy": 1.0, "frac_reward_zero_std": 0.1, "completions_clipped_ratio": 0.0}
    records = []
    for index in range(len(accuracy) * WINDOW):
        values = {
            name: metrics.get(name, [default] * len(accuracy))[index // WINDOW] for name, default in names.items()
        }
        share = accuracy[index // WINDOW]
        records.append(StepRecord(step=index + 1, accuracy=share, reward=share, grad_norm=1.0, kl=0.01, **values))
    return records


def test_a_run_that_learns_has_not_collapsed() -> None:
    assert collapse(_steps([0.2, 0.4, 0.6, 0.8, 0.9, 0.9, 0.9]), BATCH) is None


def test_a_solved_task_without_entropy_has_not_collapsed() -> None:
    solved = _steps([0.3, 1.0, 1.0], entropy=[1.0, 0.01, 0.01], frac_reward_zero_std=[0.1, 1.0, 1.0])
    assert collapse(solved, BATCH) is None


def test_accuracy_must_stay_low_for_five_windows() -> None:
    fall = [0.3, 0.6, *[0.1] * (PATIENCE - 1)]
    assert collapse(_steps(fall), BATCH, ending="above") is None
    assert collapse(_steps([*fall, 0.6]), BATCH) is None
    found = collapse(_steps([*fall, 0.1]), BATCH)
    assert found is not None
    assert (found.kind, found.step) == ("accuracy", 2 * WINDOW + 1)


def test_a_run_that_dies_in_its_last_tenth_is_seen() -> None:
    found = collapse(_steps([0.34, 0.49, 0.6, 0.61, 0.65, 0.65, 0.48, 0.21]), BATCH)
    assert found is not None and (found.kind, found.step) == ("end", 7 * WINDOW + 1)
    assert collapse(_steps([0.34, 0.49, 0.6, 0.61, 0.65, 0.21, 0.6]), BATCH) is None


def test_the_end_is_relative_to_the_length_of_a_run() -> None:
    rise = [0.3 + 0.01 * window for window in range(38)]
    assert collapse(_steps([*rise, 0.1, 0.1]), BATCH) is None
    found = collapse(_steps([*rise[:-2], *[0.1] * 4]), BATCH)
    assert found is not None and (found.kind, found.step) == ("end", 36 * WINDOW + 1)


def test_the_end_is_counted_from_the_last_batch() -> None:
    steps = _steps([0.3, 0.6, 0.6, 0.1])[: 3 * WINDOW + 4]
    assert collapse(steps, BATCH) is None
    dead = [step.model_copy(update={"accuracy": 0.05}) for step in steps[-WINDOW:]]
    found = collapse([*steps[:-WINDOW], *dead], BATCH)
    assert found is not None and (found.kind, found.step) == ("end", 2 * WINDOW + 5)


def test_one_bad_window_of_a_run_that_ends_above_its_base_is_no_collapse() -> None:
    fallen = _steps([0.3, 0.6, 0.6, 0.2])
    assert collapse(fallen, BATCH, ending="above") is None
    assert all(collapse(fallen, BATCH, ending=end) is not None for end in (None, "level", "below"))


def test_a_final_score_below_the_base_beyond_noise_is_a_collapse_at_the_last_step() -> None:
    found = collapse(_steps([0.3, 0.3]), BATCH, ending="below")
    assert found is not None and (found.kind, found.step) == ("validation", 2 * WINDOW)
    assert collapse(_steps([0.3, 0.3]), BATCH, ending="level") is None
    assert collapse([], BATCH, ending="below") is not None


@pytest.mark.parametrize(("won", "lost"), [(0, 6), (0, 7), (3, 12), (3, 13), (13, 3), (7, 0), (5, 5)])
def test_an_ending_is_an_exact_test_of_discordant_problems(won: int, lost: int) -> None:
    tuned, base = score("1" * won + "0" * lost + "01"), score("0" * won + "1" * lost + "01")
    p = {way: binomtest(won, won + lost, alternative=way).pvalue for way in ("less", "greater")}
    expected = "below" if p["less"] <= BEYOND_NOISE else "above" if p["greater"] <= BEYOND_NOISE else "level"
    assert ending(tuned, base) == expected


def test_scores_that_cannot_be_paired_say_nothing() -> None:
    assert ending(score("01"), score("01", problems="other")) is None and ending(None, score("01")) is None


def test_a_record_is_labelled_again_from_its_steps_and_stays_as_it_is_stored() -> None:
    level = record("lora", 0, outcomes(0.4, seed=99))
    dead = relabelled(level, lambda _: _steps([0.5, 0.6, 0.6, 0.1]))
    assert dead.status == "collapsed" and dead.cause is not None and level.status == "done"
    assert dead.stability is not None and dead.stability.collapse_rule == "end"
    assert relabelled(level, lambda _: _steps([0.5, 0.6])) is level


def test_a_run_that_ends_above_its_base_is_not_read_again() -> None:
    def unread(_: object) -> list[StepRecord]:
        raise AssertionError("its steps cannot change its label")

    sound = record("lora", 0)
    assert relabelled(sound, unread) is sound


def test_a_run_whose_steps_cannot_be_read_is_judged_by_its_final_score() -> None:
    def damaged(_: object) -> list[StepRecord]:
        raise RecordError("damaged")

    fallen = relabelled(record("lora", 0, outcomes(0.1)), damaged)
    assert fallen.stability is not None and fallen.stability.collapse_rule == "validation"


def test_a_fall_below_half_of_the_best_that_stays_above_the_start_counts() -> None:
    found = collapse(_steps([0.2, 0.9, *[0.4] * PATIENCE]), BATCH)
    assert found is not None and found.kind == "accuracy"


def test_a_fall_within_the_first_window_is_seen_against_the_base() -> None:
    fallen = _steps([0.15] * (PATIENCE + 1))
    assert collapse(fallen, BATCH) is None
    found = collapse(fallen, BATCH, base_accuracy=0.25)
    assert found is not None and (found.kind, found.step) == ("accuracy", 1)


def test_entropy_collapse_needs_dead_groups_and_no_gain() -> None:
    found = collapse(_steps([0.3, 0.1], entropy=[1.0, 0.01], frac_reward_zero_std=[0.1, 0.95]), BATCH)
    assert found is not None and found.kind == "entropy"


def test_rising_truncation_collapses() -> None:
    found = collapse(_steps([0.3, 0.3, 0.3], completions_clipped_ratio=[0.1, 0.4, 0.7]), BATCH)
    assert found is not None and found.kind == "truncation"
    assert collapse(_steps([0.3, 0.3, 0.3], completions_clipped_ratio=[0.7, 0.7, 0.7]), BATCH) is None


def test_a_gradient_that_is_not_finite_is_a_collapse_at_its_step() -> None:
    steps = [*_steps([0.3]), StepRecord(step=WINDOW + 1, non_finite=1.0)]
    found = collapse(steps, BATCH)
    assert found is not None
    assert (found.kind, found.step) == ("non-finite", WINDOW + 1)


def test_the_summary_names_first_last_peak_and_area() -> None:
    summary = summarise(_steps([0.2, 0.8, 0.5]), BATCH)
    assert summary.reward_first == pytest.approx(0.2)
    assert summary.reward_last == pytest.approx(0.5)
    assert summary.reward_peak == pytest.approx(0.8)
    assert summary.reward_auc == pytest.approx(0.5)
    assert summary.collapse_rule is None


def test_a_run_without_steps_has_no_figures() -> None:
    summary = summarise([], BATCH)
    assert summary.steps == 0 and summary.reward_last is None and summary.kl_max is None


def test_a_gradient_spike_is_counted_once() -> None:
    assert spikes([1.0, 1.1, 0.9, 1.0, 1.05, 0.95, 1.0, 1.1, 0.9, 1.0, 1.0, 50.0, 1.0]) == 1
    assert spikes([1.0] * 9 + [50.0]) == 0


def test_streams_of_one_seed_differ_and_are_fixed() -> None:
    assert derive(0, "adapter") != derive(0, "data") != derive(1, "data")
    assert derive(3, "rollout") == derive(3, "rollout")
    assert 0 <= derive(3, "rollout") < 2**31


@pytest.mark.parametrize("digits", [1, 9])
def test_gradient_spikes_are_those_of_their_definition(digits: int) -> None:
    rng = random.Random(digits)
    norms = [round(rng.gauss(1, 0.2) * (8 if rng.random() < 0.1 else 1), digits) for _ in range(150)]
    expected = 0
    for index in range(10, len(norms)):
        before = norms[max(0, index - 50) : index]
        spread = median(abs(norm - median(before)) for norm in before)
        expected += norms[index] > median(before) + 6 * max(spread, 1e-12)
    assert spikes(norms) == expected > 0
