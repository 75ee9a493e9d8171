"""Analyses of rewards on crafted records: what was planted is found, and its opposite too."""

import hashlib
from typing import Any

import numpy as np
import pytest
from record_factory import record, score
from scipy import stats

from rlvr_bench.evaluate.behaviour import behaviour
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.stats.estimate import paired_difference
from rlvr_bench.studies.analyses import analysis_of
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.derive import judge
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.rewards import gains, halves, planted, prompt_styles, strategies
from rlvr_bench.tasks import registry as task_registry

TASK = {"name": "chain", "levels": [4], "train": 8, "validation": 8, "test": 512}
IDS = [problem.id for problem in task_registry.create(TASK).problems("test")]
FINGERPRINT = task_registry.create(TASK).fingerprint()
WORKED = "1+0=1 #### 1"
BASE = "".join("1" if number % 4 == 0 else "0" for number in range(512))


def _run(
    reward: str, seed: int, tuned: str, worked: tuple[int, int] = (0, 0), steps: list[StepRecord] | None = None
) -> EvidenceRun:
    """A run on chain level 4; `worked` are how many of the first answers use worked steps before and after."""
    made = record("full", seed, tuned, base=BASE, reward=reward, status="done")
    rows = [
        [
            {
                "problem_id": one,
                "completion": WORKED if place < used else "#### 1",
                "correct": right == "1",
                "tokens": 3,
            }
            for place, (one, right) in enumerate(zip(IDS, digits, strict=True))
        ]
        for used, digits in zip(worked, (BASE, tuned), strict=True)
    ]
    cell = made.cell | {"task": TASK, "task_fingerprint": FINGERPRINT, "reward": {"name": reward}}
    identity = hashlib.sha256(f"{reward} {seed}".encode()).hexdigest()[:12]
    answers = behaviour(*rows, "test").model_dump()
    found = made.model_copy(update={"cell": cell, "cell_id": identity, "measurements": {"behaviour": answers}})
    return EvidenceRun(RunRecord.model_validate(found.model_dump()), lambda: steps or [])


def _evidence(*runs: EvidenceRun) -> Evidence:
    return Evidence("organism-steps", runs)


def _better(count: int, ids: set[str] | frozenset[str]) -> str:
    """The base's outcomes with `count` more right ones among the problems of these ids."""
    wrong = [place for place, one in enumerate(IDS) if one in ids and BASE[place] == "0"][:count]
    return "".join("1" if place in wrong else digit for place, digit in enumerate(BASE))


def test_gains_are_counted_by_half() -> None:
    known, unknown = halves.planted_ids(), set(IDS) - halves.planted_ids()
    assert len(known) == len(unknown) == 256
    runs = [_run("random", seed, _better(32 + seed, known)) for seed in range(3)]
    where = {"reward.name": "random"}
    assert gains.gain(_evidence(*runs), where).estimate == pytest.approx(33 / 512)
    assert gains.gain(_evidence(*runs), where, half="planted").estimate == pytest.approx(33 / 256)
    assert gains.gain(_evidence(*runs), where, half="clean").estimate == 0
    found = planted.planted_gain(_evidence(*runs), where)
    assert found.estimate == pytest.approx(33 / 256)
    assert found.low is not None and found.low > 0 and found.seeds == (0, 1, 2)
    exact = [_run("exact", seed, _better(64 + seed, unknown)) for seed in range(3)]
    a = {"reward.name": "exact"}
    assert gains.gain_difference(_evidence(*runs, *exact), a, where).estimate == pytest.approx(32 / 512)


def test_runs_of_one_seed_at_several_settings_are_not_independent() -> None:
    counts = {"random": [20, 40, 60], "format": [200, 210, 250]}
    runs = [
        _run(name, seed, _better(count, set(IDS))) for name, each in counts.items() for seed, count in enumerate(each)
    ]
    found = gains.gain(_evidence(*runs), {})
    gained = [np.array([gains.gain_of(run).outcomes for run in runs[at : at + 3]]) for at in (0, 3)]
    tables = [np.array([next(iter(each.values())) for each in half]) for half in gained]
    both = paired_difference((tables[0] + tables[1]) / 2, np.zeros_like(tables[0]))
    assert (found.estimate, found.low, found.high) == pytest.approx((both.mean, both.low, both.high))


def test_a_task_that_changed_since_has_no_halves() -> None:
    run = _run("random", 0, BASE)
    moved = run.record.model_copy(update={"cell": run.record.cell | {"task_fingerprint": "f" * 64}})
    with pytest.raises(NoEvidence, match="a gain on both halves"):
        planted.planted_gain(_evidence(EvidenceRun(moved)), {})


def _steps(shares: list[float], accuracies: list[float]) -> list[StepRecord]:
    rows = enumerate(zip(shares, accuracies, strict=True), start=1)
    return [StepRecord.model_validate({"step": n, "strategy/worked": s, "accuracy": a}) for n, (s, a) in rows]


def test_changes_over_training_and_peaks_are_of_windows_of_ten() -> None:
    steps = _steps([0.6] * 10 + [0.7] * 5 + [0.9] * 10, [0.2] * 5 + [0.5] * 10 + [0.3] * 10)  # a planted peak
    run = _run("format", 0, BASE, steps=steps)
    assert strategies.rollout_change(_evidence(run), "worked", {}).estimate == pytest.approx(0.3)
    assert gains.peak_to_last(_evidence(run), {}).estimate == pytest.approx(0.2, abs=0.05)
    with pytest.raises(NoEvidence, match="strategy/python"):
        strategies.rollout_change(_evidence(run), "python", {})


def test_a_run_without_a_peak_falls_from_none_on_average() -> None:
    """The best of 111 windows of noise lies well above the last; chosen apart from what is measured it does not."""
    noise = np.random.default_rng(0).normal(0.5, 0.06, (400, 120))
    falls = [gains.fall_from_peak(each) for each in noise]
    assert abs(np.mean(falls)) < 3 * stats.sem(falls)
    naive = [max(np.convolve(each, np.ones(10) / 10, "valid")) - each[-10:].mean() for each in noise]
    assert np.mean(naive) > 0.03


@pytest.mark.parametrize(("used", "sign"), [(128, 1), (0, None)])
def test_the_gain_takes_the_sign_of_the_gap(used: int, sign: int | None) -> None:
    run = _run("random", 0, _better(51, set(IDS)), worked=(used, used))
    if sign is None:
        with pytest.raises(NoEvidence, match="with and without worked"):
            strategies.signed_gain(_evidence(run), "worked", {})
        return
    use = run.record.measurements["behaviour"]["base"]["strategies"]["worked"]
    expected = np.sign((use["accuracy_with"] or 0) - (use["accuracy_without"] or 0)) * 51 / 512
    assert strategies.signed_gain(_evidence(run), "worked", {}).estimate == pytest.approx(expected)


def test_the_order_of_rewards_is_kendalls_tau_by_seed() -> None:
    order = ["exact", "majority", "random"]
    counts_of = {"exact": (60, 40), "majority": (50, 45), "random": (40, 50)}
    runs = [
        _run(name, seed, _better(count, set(IDS)))
        for name, counts in counts_of.items()
        for seed, count in enumerate(counts)
    ]
    assert gains.reward_order(_evidence(*runs), order, {}).estimate == pytest.approx((1 - 1) / 2)
    alone = gains.reward_order(_evidence(*[run for run in runs if run.seed == 0]), order, {})
    assert (alone.estimate, alone.low) == (pytest.approx(1.0), None)
    with pytest.raises(NoEvidence, match="no seed has all"):
        gains.reward_order(_evidence(*runs), [*order, "format"], {})


def test_the_ceiling_is_what_any_sample_of_the_base_found() -> None:
    # The factory's base has 2 samples a problem, both right where the greedy answer is.
    found = gains.over_ceiling(_evidence(_run("exact", 0, _better(128, set(IDS)))), {})
    assert found.estimate == pytest.approx(0.25)


def _prompt_score(digits: str) -> dict[str, Any]:
    greedy = {"k": 0, "avg_k": None, "sample_counts": [], "pass_k": {}, "maj_k": None}
    return score(digits).model_copy(update=greedy).model_dump()


def test_prompts_range_and_shrinkage() -> None:
    best, worst = _better(64, set(IDS)), "0" * 512
    runs = [_run("random", seed, _better(96 + 2 * seed, set(IDS))) for seed in range(3)]
    prompts = {"task": _prompt_score(BASE), "none": _prompt_score(best), "terse": _prompt_score(worst)}
    asked = [EvidenceRun(run.record.model_copy(update={"measurements": {"prompt_range": prompts}})) for run in runs]
    found = prompt_styles.prompt_range(_evidence(*asked), {})
    paired = np.array([int(one) - int(other) for one, other in zip(best, worst, strict=True)])
    interval = stats.t.interval(0.95, 511, paired.mean(), stats.sem(paired))
    assert (found.estimate, found.low, found.high) == pytest.approx((paired.mean(), *interval))
    assert prompt_styles.shrinkage(_evidence(*asked), {}).estimate == pytest.approx(64 / 98)
    own = {"prompt_range": {"task": _prompt_score(BASE), "terse": _prompt_score(worst)}}
    only = [EvidenceRun(run.record.model_copy(update={"measurements": own})) for run in runs]
    kept = prompt_styles.shrinkage(_evidence(*only), {})
    assert (kept.estimate, kept.note) == (0.0, "the base has no better prompt style than that of the runs")
    with pytest.raises(NoEvidence, match="prompt_range = true"):
        prompt_styles.prompt_range(_evidence(*runs), {})
    losing = [
        EvidenceRun(_run("random", 0, "0" * 512).record.model_copy(update={"measurements": {"prompt_range": prompts}}))
    ]
    with pytest.raises(NoEvidence, match="no gain to lose"):
        prompt_styles.shrinkage(_evidence(*losing), {})


def test_a_gain_within_noise_has_no_share_that_could_be_gone() -> None:
    prompts = {"prompt_range": {"task": _prompt_score(BASE), "none": _prompt_score(_better(64, set(IDS)))}}
    runs = [
        _run("random", seed, text)
        for seed, text in enumerate((_better(96, set(IDS)), "0" * 512, _better(200, set(IDS))))
    ]
    asked = [EvidenceRun(run.record.model_copy(update={"measurements": prompts})) for run in runs]
    with pytest.raises(NoEvidence, match=r"no gain to lose: 0\.\d+ \[-"):
        prompt_styles.shrinkage(_evidence(*asked), {})


def test_memory_of_planted_questions_and_its_change() -> None:
    def probed(seed: int, after: float) -> EvidenceRun:
        found = {
            "base": {
                "planted": {"60": {"outcomes": "1110"}, "answer_perplexity": 2.0},
                "clean": {"60": {"outcomes": "00100"}},
            },
            "tuned": {"planted": {"answer_perplexity": after}},
        }
        return EvidenceRun(
            _run("random", seed, BASE).record.model_copy(update={"measurements": {"contamination": found}})
        )

    runs = _evidence(probed(0, 1.5), probed(1, 1.7))
    found = planted.planted_completion(runs, 60, {})
    welch = stats.ttest_ind([1, 1, 1, 0], [0, 0, 1, 0, 0], equal_var=False).confidence_interval(0.95)
    assert (found.estimate, found.low, found.high) == pytest.approx((0.75 - 0.2, *welch))
    place = "contamination.{}.planted.answer_perplexity"
    changed = strategies.change(runs, place.format("base"), place.format("tuned"), {})
    assert changed.estimate == pytest.approx(-0.4)
    with pytest.raises(NoEvidence, match="contamination = true"):
        planted.planted_completion(_evidence(_run("random", 0, BASE)), 60, {})


def test_the_ratio_of_spreads_has_the_f_interval() -> None:
    counts = {"random": (0, 40, 80, 20), "exact": (10, 20, 30, 25)}
    runs = [_run(name, seed, _better(n, set(IDS))) for name, each in counts.items() for seed, n in enumerate(each)]
    found = gains.seed_sd_ratio(_evidence(*runs), {"reward.name": "random"}, {"reward.name": "exact"})
    variances = [np.var(each, ddof=1) for each in counts.values()]
    ratio = variances[0] / variances[1]
    ends = np.sqrt(ratio / stats.f.ppf([0.975, 0.025], 3, 3))
    assert (found.estimate, found.low, found.high) == pytest.approx((np.sqrt(ratio), *ends))


def test_all_claims_name_analyses_that_take_their_arguments() -> None:
    claims = load_claims()
    ours = [claim for claim in claims if claim.id.startswith("R")]
    assert {int("".join(filter(str.isdigit, claim.id))) for claim in ours} >= set(range(1, 13))
    for claim in ours:
        analysis_of(claim)
        assert {entry["verdict"] for entry in judge(claim, [])} == {"undecided"}
