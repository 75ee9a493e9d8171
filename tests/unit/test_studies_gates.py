"""The gates' analyses on crafted records: planted effects, planted nulls, planted opposites."""

import hashlib
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from record_factory import outcomes, record, score

from rlvr_bench.geometry.mask_sample import pack
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.studies.analyses import analyses
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.finding import Finding
from rlvr_bench.studies.gates.equal_norm import equal_norm_difference, equal_norm_ratio
from rlvr_bench.studies.gates.mask_agreement import (
    attainable_excess,
    intervened_agreement,
    jaccard_excess,
    mask_agreement,
)
from rlvr_bench.studies.gates.placement import lift, stripes
from rlvr_bench.studies.gates.steps_and_rates import (
    best_rate_difference,
    kl_accuracy_correlation,
    kl_difference,
    rank_one_recovery,
    survived_rate_ratio,
)

LORA, FULL = {"method_name": "lora"}, {"method_name": "full"}


def _run(
    method: str = "full",
    seed: int = 0,
    rate: float = 1e-3,
    geometry: dict[str, Any] | None = None,
    masks: dict[str, Any] | None = None,
    tuned: str | None = None,
    interventions: dict[str, Any] | None = None,
    steps: list[StepRecord] | None = None,
) -> EvidenceRun:
    found = record(method, seed, tuned)
    cell = found.cell | {"learning_rate": rate, "interventions": interventions or {}}
    named = hashlib.sha256(f"{method} {seed} {rate} {interventions}".encode()).hexdigest()[:12]
    changed = {"cell": cell, "measurements": {"geometry": geometry or {}, "mask_sample": masks or {}}, "cell_id": named}
    return EvidenceRun(RunRecord.model_validate(found.model_dump() | changed), lambda: steps or [])


def _evidence(runs: list[EvidenceRun]) -> Evidence:
    return Evidence("organism-steps", tuple(runs))


def _at_norms(factor: float) -> Evidence:
    """Two methods on one curve, angle = 100 norm; `lora` is off it by a factor and at norms of its own."""
    noise, runs = random.Random(0), []
    for seed in range(3):
        for norm in (0.01, 0.02, 0.04):
            angle = 100 * norm * (1 + noise.gauss(0, 0.01))
            runs.append(_run("full", seed, norm, {"relative_norm": norm, "angle": angle}))
        for norm in (0.015, 0.03):
            angle = factor * 100 * norm * (1 + noise.gauss(0, 0.01))
            runs.append(_run("lora", seed, norm, {"relative_norm": norm, "angle": angle}))
        runs.append(_run("lora", seed, 0.5, {"relative_norm": 0.5, "angle": 1.0}))
    return _evidence(runs)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_figures_are_compared_at_the_same_size_of_update(factor: float) -> None:
    found = equal_norm_ratio(_at_norms(factor), "geometry.angle", LORA, FULL)
    assert found.estimate == pytest.approx(factor, rel=0.03)
    assert found.judgement("above", 1.0) == ("supported" if factor > 1 else "contradicted")
    assert found.note == "3 runs have no counterpart of their norm"
    assert found.seeds == (0, 1, 2)


def test_on_one_curve_nothing_is_found_although_the_means_differ() -> None:
    assert equal_norm_ratio(_at_norms(1.0), "geometry.angle", LORA, FULL).judgement("above", 1.0) == "undecided"
    difference = equal_norm_difference(_at_norms(1.0), "geometry.angle", LORA, FULL)
    assert abs(difference.estimate) < 0.3  # of 1 to 4: the curve is taken as straight between its points


def test_runs_of_another_size_are_not_compared() -> None:
    runs = [_run("full", s, r, {"relative_norm": r, "angle": 1.0}) for s in (0, 1) for r in (0.1, 0.2)]
    runs += [_run("lora", s, 0.01, {"relative_norm": 0.01, "angle": 1.0}) for s in (0, 1)]
    with pytest.raises(NoEvidence, match="none of 2 runs has norm between those"):
        equal_norm_ratio(_evidence(runs), "geometry.angle", LORA, FULL)


def _lifted(*values: float) -> Evidence:
    null = [{"isotropic": {"energy": {"lift": v, "lift_lo": 0.9 * v, "lift_hi": None}}} for v in values]
    return _evidence([_run("full", seed, geometry={"null": found}) for seed, found in enumerate(null)])


def test_a_lift_is_over_seeds_and_of_a_single_run_over_its_null_draws() -> None:
    several = lift(_lifted(2.0, 2.1, 1.9), "energy", "isotropic", FULL)
    assert several.judgement("above", 1.0) == "supported" and several.judgement("below", 1.0) == "contradicted"
    alone = lift(_lifted(2.0), "energy", "isotropic", FULL)
    assert (alone.low, alone.high, alone.judgement("above", 1.0)) == (1.8, None, "undecided")
    assert "one run" in alone.note


def test_stripes_are_of_rows_in_q_k_v_and_of_columns_in_o() -> None:
    def runs(along: float, across: float) -> Evidence:
        rows = {"row_stripe_index": along, "column_stripe_index": across}
        columns = {"row_stripe_index": across, "column_stripe_index": along}
        types = dict.fromkeys(("q_proj", "k_proj", "v_proj"), rows) | {"o_proj": columns}
        return _evidence([_run("full", seed, geometry={"by_type": types}) for seed in range(3)])

    assert stripes(runs(6.0, 2.0), FULL).estimate == pytest.approx(3.0)
    assert stripes(runs(2.0, 6.0), FULL).judgement("above", 1.0) == "contradicted"
    with pytest.raises(NoEvidence, match="stripe indices"):
        stripes(_evidence([_run("full", 0, geometry={"by_type": {}})]), FULL)


def _mask(shared: float, seed: int, places: int = 1024) -> torch.Tensor:
    """Density 0.4; a share of the entries is the same for all seeds, the others are drawn for each."""
    common = np.random.RandomState(1).random(places) < 0.4
    own = np.random.RandomState(100 + seed).random(places) < 0.4
    taken = np.random.RandomState(2).random(places) < shared
    return torch.from_numpy(np.where(taken, common, own))


def _masked(shared: float, seed: int, **changes: Any) -> EvidenceRun:
    permuted = pack(_mask(0.0, 50 + seed))
    names = ("layers.0.v_proj.weight", "layers.1.v_proj.weight")
    sample = {name: {"places": 1024, "update": pack(_mask(shared, seed)), "permuted": permuted} for name in names}
    return _run("full", seed, masks={"changed": sample, "restored": sample}, **changes)


@pytest.mark.parametrize(
    ("shared", "verdict"), [(0.8, "supported"), (0.0, "contradicted")], ids=["the same entries", "independent"]
)
def test_runs_that_change_the_same_entries_are_told_from_independent_ones(shared: float, verdict: str) -> None:
    evidence = _evidence([_masked(shared, seed) for seed in range(4)])
    for above in ("independence", "permuted"):
        found = mask_agreement(evidence, FULL, above=above)
        assert found.judgement("above", 0.1) == verdict
    if shared:
        wanted = jaccard_excess(_mask(shared, 0).numpy(), _mask(shared, 1).numpy())
        assert mask_agreement(evidence, FULL).estimate == pytest.approx(wanted, abs=0.05)


def test_agreement_needs_three_seeds_with_masks() -> None:
    two = [_masked(0.5, 0), _masked(0.5, 1), _run("full", 2)]
    with pytest.raises(NoEvidence, match="fewer than 3"):
        mask_agreement(_evidence(two), FULL)


@given(st.integers(1, 64), st.integers(1, 64))
def test_no_two_masks_exceed_independence_by_more_than_attainable(p: int, q: int) -> None:
    rng = np.random.default_rng(p * 100 + q)
    one, other = (rng.permutation(64) < size for size in (p, q))
    most = attainable_excess(one, other)
    nested = jaccard_excess(np.arange(64) < p, np.arange(64) < q)
    excess = jaccard_excess(one, other)
    assert most is not None and excess is not None
    assert excess <= most + 1e-12
    assert nested == pytest.approx(most)


def test_runs_that_change_nearly_everything_do_not_count_against_agreement() -> None:
    dense = [_run(seed=seed, masks={"changed": _sample(seed, 0.98)}) for seed in range(3)]
    with pytest.raises(NoEvidence, match="so many entries"):
        mask_agreement(_evidence(dense), FULL, reach=0.1)
    sparse = [_run(seed=seed, rate=1e-5, masks={"changed": _sample(seed, 0.5)}) for seed in range(3)]
    found = mask_agreement(_evidence(dense + sparse), FULL, reach=0.1)
    assert found.cells == mask_agreement(_evidence(sparse), FULL).cells
    assert found.note.startswith("3 runs change too many")


def test_settings_with_other_seeds_are_no_spread_over_seeds() -> None:
    few = [_run(seed=seed, masks={"changed": _sample(0, 0.9)}) for seed in range(3)]
    many = [_run(seed=seed, rate=1e-5, masks={"changed": _sample(0, 0.3)}) for seed in range(5)]
    found = mask_agreement(_evidence(few + many), FULL)
    apart = [mask_agreement(_evidence(runs), FULL).estimate for runs in (few, many)]
    assert found.estimate == pytest.approx(sum(apart) / 2)
    assert found.high == pytest.approx(found.low), "within each setting all masks are the same"


def _sample(seed: int, density: float) -> dict[str, Any]:
    """A sampled mask of this density, drawn anew for each seed."""
    drawn = torch.from_numpy(np.random.default_rng(seed).random(1024) < density)
    return {"w": {"places": 1024, "update": pack(drawn), "permuted": pack(drawn)}}


def test_an_intervention_that_takes_agreement_away_is_told_from_one_that_does_not() -> None:
    plain = [_masked(0.8, seed) for seed in range(4)]
    turned: dict[str, Any] = {"rotate_heads": {"layers": [1], "seed": 0}}
    asked: dict[str, Any] = {"intervention": "rotate_heads", "matrices": "layers.1.*", "match": ["task.name"]}
    gone = [_masked(0.0, 10 + seed, interventions=turned) for seed in range(4)]
    found = intervened_agreement(_evidence(plain + gone), FULL, **asked)
    assert found.estimate == pytest.approx(0.0, abs=0.2) and found.judgement("below", 0.5) == "supported"
    kept = [_masked(0.8, 10 + seed, interventions=turned) for seed in range(4)]
    found = intervened_agreement(_evidence(plain + kept), FULL, coordinates="base", **asked)
    assert found.estimate == pytest.approx(1.0, abs=0.2) and found.judgement("below", 0.5) == "contradicted"
    with pytest.raises(NoEvidence, match=r"interventions\.rotate_heads"):
        intervened_agreement(_evidence(plain), FULL, **asked)


def test_the_jaccard_index_of_independent_masks_has_no_excess() -> None:
    one, other = (np.random.RandomState(seed).random(200_000) < 0.3 for seed in (0, 1))
    assert jaccard_excess(one, other) == pytest.approx(0.0, abs=5e-3)
    assert jaccard_excess(one, one) == pytest.approx(1 - 0.3 / 1.7, abs=5e-3)
    assert jaccard_excess(~one & one, ~one & one) is None


def _kl_run(method: str, seed: int, slope: float, tuned: str | None = None) -> EvidenceRun:
    steps = [StepRecord(step=step, kl=slope * step, reward=0.1 * step) for step in range(1, 30)]
    return _run(method, seed, tuned=tuned, steps=steps)


def test_kl_growth_is_compared_and_correlated_with_accuracy() -> None:
    runs = [_kl_run("lora", seed, 1e-3 + 1e-5 * seed) for seed in range(3)]
    runs += [_kl_run("full", seed, 4e-3 + 1e-5 * seed) for seed in range(3)]
    found = kl_difference(_evidence(runs), LORA, FULL)
    assert found.estimate == pytest.approx(-3e-3, rel=1e-3) and found.judgement("below", 0.0) == "supported"
    rising = [_kl_run(f"m{i}", 0, i * 1e-3, outcomes(0.1 * i)) for i in range(1, 9)]
    assert kl_accuracy_correlation(_evidence(rising), {}).estimate == pytest.approx(1.0)
    with pytest.raises(NoEvidence, match="4 pairs"):
        kl_accuracy_correlation(_evidence(rising[:4]), {})


def _rank_one(cut: str, seed: int) -> EvidenceRun:
    found = record("full", seed, tuned="1" * 60 + "0" * 40, base="0" * 100)
    return EvidenceRun(found.model_copy(update={"measurements": {"rank_one": score(cut).model_dump()}}))


def test_rank_one_recovery_is_a_share_of_the_gain() -> None:
    runs = [_rank_one("1" * 57 + "0" * 43, seed) for seed in range(3)]
    found = rank_one_recovery(_evidence(runs), FULL)
    assert found.estimate == pytest.approx(0.95) and found.judgement("above", 0.8) == "supported"
    flat = EvidenceRun(record("full", 0, tuned="0" * 100, base="0" * 100))
    with pytest.raises(NoEvidence, match=r"gain of 0\.02"):
        rank_one_recovery(_evidence([flat]), FULL)


def _scored(method: str, seed: int, rate: float, share: float) -> EvidenceRun:
    run = _run(method, seed, rate, tuned=outcomes(share, seed=seed))
    tuned = {"chain": {split: score(outcomes(share, seed=seed), problems=split) for split in ("validation", "test")}}
    return EvidenceRun(run.record.model_copy(update={"accuracy": {**run.record.accuracy, "tuned": tuned}}))


def _ladder(method: str, shares: dict[float, float]) -> list[EvidenceRun]:
    return [_scored(method, seed, rate, share) for seed in range(3) for rate, share in shares.items()]


def test_each_method_is_taken_at_its_best_rate_on_validation() -> None:
    runs = _ladder("lora", {1e-3: 0.5, 1e-2: 0.9}) + _ladder("full", {1e-3: 0.6, 1e-2: 0.1})
    found = best_rate_difference(_evidence(runs), LORA, FULL)
    assert found.low is not None and found.low > 0.1
    assert found.note == "best rates: full 0.001, lora 0.01; paired by seed"
    assert len(found.cells) == 6


def test_the_best_rate_is_that_of_each_method_in_each_setting() -> None:
    runs = _ladder("lora", {1e-3: 0.5, 1e-2: 0.9}) + _ladder("full", {1e-3: 0.6, 1e-2: 0.6, 1e-1: 0.1})
    chosen = _evidence(runs).select({"learning_rate": "best"})
    found = {(run.record.keys.method_name, run.setting("learning_rate")) for run in chosen}
    assert found == {("lora", 1e-2), ("full", 1e-3)} and len(chosen) == 6
    unscored = [
        EvidenceRun(run.record.model_copy(update={"accuracy": {}})) for run in _ladder("lora", {1e-3: 0.5, 1e-2: 0.9})
    ]
    with pytest.raises(NoEvidence, match="has no validation score"):
        _evidence(unscored).select({"learning_rate": "best"})


def test_the_collapsing_rate_lies_between_the_rates_that_were_tried() -> None:
    full = _ladder("full", {1e-3: 0.8, 3e-3: 0.1, 1e-2: 0.1})
    far = survived_rate_ratio(_evidence(_ladder("lora", {1e-2: 0.8, 1e-1: 0.1}) + full), LORA, FULL)
    assert (far.estimate, far.low, far.high) == pytest.approx((10, 1e-2 / 3e-3, 100))
    assert far.judgement("above", 3.0) == "supported"
    near = survived_rate_ratio(_evidence(_ladder("lora", {3e-3: 0.8, 1e-2: 0.1}) + full), LORA, FULL)
    assert near.judgement("above", 3.0) == "undecided"
    open_ended = survived_rate_ratio(_evidence(_ladder("lora", {1e-3: 0.8}) + full), LORA, FULL)
    assert open_ended.high == float("inf") and open_ended.judgement("below", 3.0) == "undecided"
    with pytest.raises(NoEvidence, match="full survives every learning rate"):
        survived_rate_ratio(_evidence(_ladder("lora", {1e-3: 0.8}) + _ladder("full", {1e-3: 0.8})), LORA, FULL)


def test_every_analysis_says_what_it_finds() -> None:
    for name, analysis in analyses().items():
        assert analysis.__doc__, name
        assert analysis.__annotations__["return"] in (Finding, "Finding"), name


def _moved(runs: list[EvidenceRun], **cell: object) -> list[EvidenceRun]:
    return [EvidenceRun(run.record.model_copy(update={"cell": run.record.cell | cell})) for run in runs]


def test_a_comparison_at_one_rate_does_not_hide_where_the_others_collapse() -> None:
    ladders = _ladder("lora", {1e-2: 0.8, 1e-1: 0.1}) + _ladder("full", {1e-3: 0.8, 3e-3: 0.1, 1e-2: 0.1})
    elsewhere = _moved(_ladder("lora", {1e-3: 0.8}) + _ladder("full", {1e-3: 0.8}), task_fingerprint="other")
    assert survived_rate_ratio(_evidence(ladders + elsewhere), LORA, FULL).estimate == pytest.approx(10)


def test_seeds_that_were_not_run_at_every_rate_say_nothing_of_where_a_method_collapses() -> None:
    low, collapsing = _ladder("full", {1e-3: 0.8}), _ladder("full", {3e-3: 0.1, 1e-2: 0.1})
    survived, lost = _ladder("lora", {1e-2: 0.8}), _ladder("lora", {1e-1: 0.1})
    further = [run for seed in range(10, 13) for run in _moved([low[0], survived[0]], seed=seed)]
    of_other_seeds = _moved(low, task_fingerprint="other") + _moved(survived[:1], task_fingerprint="other", seed=20)
    whole = survived_rate_ratio(_evidence(low + collapsing + survived + lost), LORA, FULL)
    found = survived_rate_ratio(_evidence(low + collapsing + survived + lost + further + of_other_seeds), LORA, FULL)
    assert (found.estimate, found.low, found.high) == (whole.estimate, whole.low, whole.high)
    assert found.seeds == whole.seeds
    with pytest.raises(NoEvidence, match="no seed was run at all the learning rates"):
        survived_rate_ratio(_evidence(collapsing + lost + further), LORA, FULL)


def test_trials_without_a_test_score_do_not_hide_where_a_method_collapses() -> None:
    ladders = _ladder("lora", {1e-2: 0.8, 1e-1: 0.1}) + _ladder("full", {1e-3: 0.8, 3e-3: 0.1, 1e-2: 0.1})
    trials = [
        EvidenceRun(
            run.record.model_copy(update={"cell": run.record.cell | {"task_fingerprint": "other"}, "accuracy": {}})
        )
        for run in _ladder("lora", {1e-3: 0.8, 2e-3: 0.8}) + _ladder("full", {1e-3: 0.8, 2e-3: 0.8})
    ]
    assert survived_rate_ratio(_evidence(ladders + trials), LORA, FULL).estimate == pytest.approx(10)


@pytest.mark.parametrize("habit", [{"adapter_dropout": {"share": 0.05}}, {"merge_in_place": {}}])
def test_runs_with_a_habit_to_be_measured_count_only_where_they_are_asked_for(habit: dict[str, Any]) -> None:
    plain = _run("lora", 0)
    odd = plain.record.cell | {"interventions": habit}
    evidence = _evidence([plain, EvidenceRun(RunRecord.model_validate(plain.record.model_dump() | {"cell": odd}))])
    assert evidence.select(LORA) == [plain]
    assert [run.setting("interventions") for run in evidence.select({"interventions": habit})] == [habit]
    with pytest.raises(NoEvidence):
        evidence.select({"interventions": {**habit, "another": {}}})
