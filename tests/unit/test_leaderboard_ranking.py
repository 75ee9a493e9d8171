"""Records in, letters out: what is planted is found, what is tied is not ranked; controls, prompts and rates."""

from pathlib import Path

import numpy as np
import pytest
from record_factory import outcomes, record, score

from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record.schema import Ledger, RunRecord, Stability

PROBLEMS = 150


def runs(method: str, shares: np.ndarray, difficulty: np.ndarray, rng: np.random.Generator) -> list[RunRecord]:
    """Return a record per seed; `shares` are the seeds' true accuracies, of shape (seeds,)."""
    noisy = rng.random((len(shares), PROBLEMS)) < np.clip(shares[:, None] + difficulty, 0, 1)
    base = "10" * (PROBLEMS // 2)
    digits = ["".join(str(int(right)) for right in run) for run in noisy]
    return [record(method, seed, tuned, base=base) for seed, tuned in enumerate(digits)]


def groups(means: dict[str, float], seed: int, seeds: int = 5, sd: float = 0.02) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    difficulty = rng.uniform(-0.15, 0.15, PROBLEMS)
    records = [
        one
        for method, mean in means.items()
        for one in runs(method, mean + sd * rng.normal(size=seeds), difficulty, rng)
    ]
    return {str(s.row["method"]): str(s.row["rank_group"]) for s in leaderboard(records)}


def test_a_planted_difference_is_found() -> None:
    means = {"best": 0.8, "also-best": 0.8, "worst": 0.45}
    apart = sum(not set(found["best"]) & set(found["worst"]) for found in (groups(means, i) for i in range(30)))
    assert apart >= 27


def test_a_planted_tie_is_not_ranked() -> None:
    """At most 5 % of comparisons may tell tied methods apart: of 40 two, and with three standard errors six."""
    means = dict.fromkeys(["one", "two", "three", "four", "five"], 0.65)
    told = 0
    for trial in range(40):
        found = groups(means, trial, sd=0.04)
        told += not set.intersection(*(set(found[name]) for name in means))
    assert told <= 6


def by_reward(records: list[RunRecord]) -> dict[tuple[object, object], Row]:
    return {(s.row["reward"], s.row["method"]): s.row for s in leaderboard(records)}


def cells(reward: str, share: float, start: int, count: int = 5) -> list[RunRecord]:
    return [record("lora", seed, outcomes(share, seed=start + seed), reward=reward) for seed in range(count)]


def test_the_strongest_control_counts_and_has_an_interval() -> None:
    rows = by_reward(cells("exact", 0.8, 0) + cells("random", 0.4, 20) + cells("format", 0.5, 40))
    exact, strongest = rows["exact", "lora"], rows["format", "lora"]
    assert exact["control"] == '{"name":"format"}' and exact["beats_control"] == "yes"
    assert exact["gain_over_control"] == pytest.approx(
        float(str(exact["accuracy"])) - float(str(strongest["accuracy"]))
    )
    low, mean, high = (float(str(exact[f"gain_over_control{end}"])) for end in ("_lo", "", "_hi"))
    assert 0 < low < mean < high < 1
    assert exact["status"] == "ranked" and strongest["beats_control"] is None


@pytest.mark.parametrize(
    ("control", "verdict", "said"),
    [
        (0.5, "undecided", 'ranked; not significantly different from control reward {"name":"random"}'),
        (0.9, "no", 'ranked; worse than control reward {"name":"random"}'),
    ],
)
def test_a_row_that_does_not_beat_its_control_says_so(control: float, verdict: str, said: str) -> None:
    exact = by_reward(cells("exact", 0.5, 0) + cells("random", control, 20))["exact", "lora"]
    assert (exact["beats_control"], exact["status"]) == (verdict, said)


def _matched(used: float, seed: int) -> RunRecord:
    one = record("lora", seed, outcomes(0.6, seed=seed))
    ledger = Ledger(
        match="flops", budget=3e9, used_up=used >= 1, forward_flops=round(used * 1e9), backward_flops=round(used * 2e9),
        generated_tokens=5, learned_tokens=5, verdicts=0, preference_pairs=0, solutions=0,
    )  # fmt: skip
    cell = one.cell | {"signal": one.cell["signal"] | {"match": "flops", "budget": 3e9}}
    return one.model_copy(update={"ledger": ledger, "cell": cell})


@pytest.mark.parametrize(
    ("used", "status"),
    [
        ((1.01, 1.0, 1.02, 1.0, 1.0), "ranked"),
        ((1.01, 0.7, 0.8, 1.0, 1.0), "ranked; 2 of 5 seeds ended before their budget of flops 3e+09 was used"),
    ],
)
def test_a_row_that_did_not_use_its_budget_says_so(used: tuple[float, ...], status: str) -> None:
    row = by_reward([_matched(share, seed) for seed, share in enumerate(used)])["exact", "lora"]
    assert (row["status"], row["match"]) == (status, "flops 3e+09")
    assert row["flops"] == pytest.approx(sum(used) / len(used) * 3e9)


def test_one_control_seed_decides_nothing() -> None:
    exact = by_reward(cells("exact", 0.8, 0) + cells("random", 0.2, 20, count=1))["exact", "lora"]
    assert exact["beats_control"] == "undecided" and exact["gain_over_control_lo"] is None
    assert float(str(exact["gain_over_control"])) > 0.5


def test_a_control_of_other_settings_is_none() -> None:
    other = [record("lora", seed, outcomes(0.4, seed=seed), reward="random", settings={"r": 8}) for seed in range(3)]
    assert by_reward(cells("exact", 0.8, 0) + other)["exact", "lora"]["gain_over_control"] is None


def with_prompts(one: RunRecord) -> RunRecord:
    scores = {"task": score(outcomes(0.4, seed=99)), "terse": score(outcomes(0.55, seed=98))}
    return one.model_copy(update={"measurements": {"prompt_range": scores}})


def test_the_gain_over_the_bases_best_prompt() -> None:
    row = by_reward([with_prompts(one) for one in cells("exact", 0.8, 0)])["exact", "lora"]
    assert row["best_prompt"] == "terse"
    assert row["gain_over_best_prompt"] == pytest.approx(
        float(str(row["accuracy"])) - float(str(row["best_prompt_accuracy"])), abs=1e-4
    )
    assert float(str(row["gain_over_best_prompt"])) < float(str(row["gain"]))
    assert float(str(row["gain_over_best_prompt_lo"])) < float(str(row["gain_over_best_prompt"]))


def at_rate(rate: float, share: float, *, collapsed_at: int | None = None) -> list[RunRecord]:
    """Return two seeds of a method at one learning rate."""
    found = []
    for seed in range(2):
        one = record(f"lora@{rate:g}", seed, outcomes(share, seed=seed), settings={"type": "lora"})
        rule = "accuracy" if collapsed_at else None
        stability = Stability(steps=40, collapse_step=collapsed_at, collapse_rule=rule)
        found.append(one.model_copy(update={"cell": one.cell | {"learning_rate": rate}, "stability": stability}))
    return found


def test_rates_of_one_method_give_its_tolerance_and_its_time_to_collapse() -> None:
    records = at_rate(1e-4, 0.6) + at_rate(1e-3, 0.6) + at_rate(1e-2, 0.2, collapsed_at=20)
    rows = [standing.row for standing in leaderboard(records) if standing.row["method"] != "base"]
    assert {row["lr_tried"] for row in rows} == {3} and len(rows) == 3
    # Flat between the two lower rates, then one point of a fall of forty: a decade and a fortieth.
    assert [row["lr_tolerance"] for row in rows] == pytest.approx([1.025] * 3, abs=0.01)
    assert {row["lr_open"] for row in rows} == {"low"}
    assert [row["sound_share"] for row in rows] == pytest.approx([2 / 3] * 3, abs=1e-4)
    assert {row["collapse_median_step"] for row in rows} == {None}


def test_one_rate_has_no_tolerance() -> None:
    row = by_reward(cells("exact", 0.6, 0))["exact", "lora"]
    assert row["lr_tolerance"] is None and row["lr_tried"] is None and row["sound_share"] == 1.0


def test_full_fine_tuning_is_what_improvement_is_over() -> None:
    full = [record("full", seed, outcomes(0.5, seed=seed)) for seed in range(5)]
    rows = by_reward([*full, *cells("exact", 0.8, 10)])
    assert rows["exact", "lora"]["improvement_over_full"] == 1.0
    assert rows["exact", "full"]["improvement_over_full"] is None
    assert rows["exact", "base"]["improvement_over_full"] is None


def test_winners_and_what_could_have_been_detected() -> None:
    rows = by_reward([record("full", seed, outcomes(0.6, seed=seed)) for seed in range(5)] + cells("exact", 0.8, 10))
    assert (rows["exact", "lora"]["may_be_best"], rows["exact", "full"]["may_be_best"]) == ("yes", "no")
    assert 0 < float(str(rows["exact", "lora"]["detectable_difference"])) < 0.5


def test_one_problem_is_scored_but_not_ranked() -> None:
    row = by_reward([record("lora", seed, "1", base="0") for seed in range(5)])["exact", "lora"]
    assert row["status"] == "unranked: scored on 1 problem, 2 are needed"
    assert row["accuracy"] == 1.0 and row["accuracy_lo"] is None


def test_statistics_are_computed_anew_when_a_single_outcome_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    records = [record(method, seed, status="done") for method in ("full", "lora") for seed in range(5)]
    first = [standing.row for standing in leaderboard(records)]
    (kept,) = tmp_path.glob("memo/statistics/*.json")
    assert [standing.row for standing in leaderboard(records)] == first
    assert list(tmp_path.glob("memo/statistics/*.json")) == [kept]
    digits = records[0].score("tuned", "chain", "test").greedy_outcomes
    flipped = str(1 - int(digits[0])) + digits[1:]
    changed = [record("full", 0, flipped), *records[1:]]
    cached = [standing.row for standing in leaderboard(changed)]
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "empty"))
    assert cached == [standing.row for standing in leaderboard(changed)] != first
