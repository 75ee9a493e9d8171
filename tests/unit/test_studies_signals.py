"""Figures and analyses on learning signals, against planted records."""

import math
import random
from typing import Any

import numpy as np
import pytest
from record_factory import record, score
from scipy import stats

from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.scored import label, related, score_tasks
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies.errors import FindingsError, NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.signals import analyses as signals
from rlvr_bench.studies.signals.figures import (
    FIGURES,
    crossing,
    gold_fall,
    pass_curves,
    proxy_rise_after_gold_peak,
    transferability,
    turn_over,
)
from rlvr_bench.tasks import registry
from rlvr_bench.tasks.problem import Split
from rlvr_bench.tasks.procedural import split_of

SCORED: tuple[Split, ...] = ("validation", "test")
FAMILIES = ["chain", "sums", "linear", "count"]


def _digits(share: float) -> str:
    return "1" * round(100 * share) + "0" * (100 - round(100 * share))


def _record(task: dict[str, Any], accuracies: dict[str, tuple[float, float]], seed: int = 0) -> RunRecord:
    """A record on `task`; `accuracies` are (base, tuned) of the trained task ("") and of others, by family-level."""
    made = record(seed=seed)
    extra = [{"name": name.split("-")[0], "levels": [int(name.split("-")[1])]} for name in accuracies if name]
    cell = made.cell | {"task": task, "evaluate": {"extra_tasks": extra}, "signal": {"type": "rlvr"}}
    names = score_tasks(cell)
    pairs = dict(zip(names, [accuracies[""], *(pair for name, pair in accuracies.items() if name)], strict=True))
    scored = {
        role: {name: {"test": score(_digits(pair[place]))} for name, pair in pairs.items()}
        for place, role in enumerate(("base", "tuned"))
    }
    identity = f"{abs(hash((str(task), seed))):016x}"[:12]
    changed = {"cell": cell, "accuracy": scored, "cell_id": identity, "comparison": f"organism-steps.{label(task)}"}
    return made.model_copy(update=changed)


def _runs(records: list[RunRecord], steps: list[StepRecord] | None = None) -> list[EvidenceRun]:
    return [EvidenceRun(each, lambda: steps or []) for each in records]


def test_further_tasks_are_named_and_related() -> None:
    cell = {
        "task": {"name": "chain", "levels": [4]},
        "evaluate": {
            "extra_tasks": [
                {"name": "chain", "levels": [4], "seed": 1},
                {"name": "chain", "levels": [6]},
                {"name": "sums"},
            ]
        },
    }
    assert related(cell) == {"chain": "trained", "chain-2": "trained", "chain-3": "level", "sums": "family"}
    mixed = {"name": "mixture", "families": ["chain", "sums"], "levels": {"chain": [4]}}
    assert related(cell | {"task": mixed})["sums"] == "trained"
    assert related(cell | {"task": mixed})["chain-2"] == "level"
    assert (label(cell["task"]), label(mixed)) == ("chain-4", "chain+sums")


def test_gains_elsewhere_and_the_transferability_index_by_hand() -> None:
    task = {"name": "chain", "levels": [4]}
    runs = _runs([_record(task, {"": (0.4, 0.8), "chain-6": (0.2, 0.3), "sums-3": (0.5, 0.6)}, s) for s in (0, 1)])
    assert transferability(runs[0]) == pytest.approx(100 * (0.1 / 0.5) / (0.4 / 0.4))
    for name in ("gain on another level", "gain on other families"):
        gained = FIGURES[name](runs[0])
        assert isinstance(gained, Value) and gained.mean == pytest.approx(0.1)
    assert transferability(_runs([_record(task, {"": (0.4, 0.4), "sums-3": (0.5, 0.6)})])[0]) is None


def test_the_slope_over_training_families_is_that_of_the_plant() -> None:
    records = []
    for seed in range(3):
        for count in (1, 2, 4):
            task = {"name": "mixture", "families": FAMILIES[:count]} if count > 1 else {"name": "chain", "levels": [4]}
            gained = 0.1 + 0.05 * math.log2(count)
            records.append(_record(task, {"": (0.4, 0.8), "sort-5": (0.3, 0.3 + gained)}, seed))
    evidence = Evidence("organism-steps", tuple(_runs(records)))
    found = signals.family_slope(evidence, {}, held_out=["sort"])
    assert (found.estimate, found.seeds) == (pytest.approx(0.05, abs=1e-9), (0, 1, 2))
    with pytest.raises(NoEvidence, match="chain is held out"):
        signals.family_slope(evidence, {}, held_out=["chain"])


def _settings(gains: dict[int, list[float]]) -> Evidence:
    """Runs on chain levels that gained so much under the seeds 0, 1, ..., three quarters of it on another family."""
    records = [
        _record({"name": "chain", "levels": [level]}, {"": (0.1, 0.1 + gain), "sums-3": (0.1, 0.1 + 0.75 * gain)}, seed)
        for level, by_seed in gains.items()
        for seed, gain in enumerate(by_seed)
    ]
    return Evidence("organism-steps", tuple(_runs(records)))


APART = {2: [0.04, 0.08, 0.12], 4: [0.40, 0.52, 0.44], 6: [0.80, 0.84, 0.88]}


@pytest.mark.parametrize("name", ["mean", "difference", "cold"])
def test_runs_of_one_seed_at_several_settings_count_as_one_seed(name: str) -> None:
    """The crossed interval of the seeds' own means, whatever lies between the settings."""
    evidence = _settings(APART)
    found, factor = {
        "mean": lambda: (signals.signal_mean(evidence, "gain", {}), 1.0),
        "difference": lambda: (signals.figure_difference(evidence, "gain", "gain on other families", {}), 0.25),
        "cold": lambda: (signals.cold_gain(evidence, {}, below=0.5), 1.0),
    }[name]()
    means = factor * np.array(list(APART.values())).mean(axis=0)
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert found.estimate == pytest.approx(means.mean())
    assert found.low is not None and found.high is not None and found.low < low and high < found.high
    assert found.high - found.low < high - low + 0.2, "problems widen it, what lies between settings does not"
    assert (found.seeds, len(found.cells)) == ((0, 1, 2), 9)


def test_a_setting_with_other_seeds_adds_nothing_to_the_spread() -> None:
    settings = {2: [0.1, 0.1, 0.1], 4: [0.8, 0.8], 6: [0.4]}
    found = signals.signal_mean(_settings(settings), "gain", {})
    assert found.estimate == pytest.approx(0.45) and found.high is not None
    assert found.high - found.estimate < 0.1, "of problems alone"
    assert len(found.cells) == 5, "one run knows nothing of the spread over seeds"


def test_a_slope_has_the_interval_of_the_seeds_own_slopes() -> None:
    records = [
        _record({"name": "mixture", "families": FAMILIES[:count]}, {"": (0.4, 0.8), "sort-5": (0.2, 0.2 + gain)}, seed)
        for count, by_seed in {2: [0.10, 0.12, 0.11], 4: [0.30, 0.22, 0.25]}.items()
        for seed, gain in enumerate(by_seed)
    ]
    found = signals.family_slope(Evidence("x", tuple(_runs(records))), {}, held_out=["sort"])
    slopes = np.array([0.20, 0.10, 0.14])
    low, high = stats.t.interval(0.95, 2, slopes.mean(), stats.sem(slopes))
    assert found.estimate == pytest.approx(slopes.mean())
    assert found.low is not None and found.high is not None and found.low < low and high < found.high
    at_four = Evidence("x", tuple(_runs(records[3:])))
    with pytest.raises(NoEvidence, match="two places"):
        signals.family_slope(at_four, {}, held_out=["sort"])


def test_a_cold_start_is_judged_where_the_base_is_cold() -> None:
    task = {"name": "chain", "levels": [4]}
    cold, warm = _record(task, {"": (0.0, 0.02)}, 0), _record(task, {"": (0.5, 0.9)}, 1)
    evidence = Evidence("organism-steps", tuple(_runs([cold, warm])))
    assert signals.cold_gain(evidence, {}, below=0.05).estimate == pytest.approx(0.02)
    with pytest.raises(NoEvidence, match=r"at most 0\.05"):
        signals.cold_gain(Evidence("x", tuple(_runs([warm]))), {}, below=0.05)


def test_a_figure_that_does_not_exist_is_named() -> None:
    with pytest.raises(FindingsError, match="unknown signal figure 'gian'"):
        signals.signal_mean(_settings(APART), "gian", {})


def test_what_learning_does_is_not_read_from_runs_that_learned_nothing() -> None:
    assert signals.signal_mean(_settings(APART), "gain", {}, learned=0.3).estimate > 0.4
    with pytest.raises(NoEvidence, match=r"nothing was learned: a gain of 0\.08"):
        signals.signal_mean(_settings({2: [0.04, 0.08, 0.12]}), "gain", {}, learned=0.3)


def _sampled(counts: list[int], k: int) -> dict[str, Any]:
    made = score("1" * len(counts))
    share = sum(counts) / (k * len(counts))
    return {"test": made.model_copy(update={"k": k, "sample_counts": counts, "avg_k": share})}


def test_pass_curves_cross_where_the_base_knows_more_problems() -> None:
    made = record()
    base, tuned = _sampled([16] * 8 + [2] * 8, 64), _sampled([60] * 8 + [0] * 8, 64)
    found = pass_curves(made.model_copy(update={"accuracy": {"base": {"chain": base}, "tuned": {"chain": tuned}}}))
    assert sorted(found["base"]) == [1, 2, 4, 8, 16, 32, 64]
    assert found["tuned"][1] > found["base"][1] and found["tuned"][64] < found["base"][64]
    star = crossing(found["base"], found["tuned"])
    assert star is not None
    below = max(k for k in found["base"] if found["tuned"][k] >= found["base"][k])
    assert below <= star <= 2 * below
    assert crossing(found["tuned"], found["base"]) is None
    assert crossing({1: 0.2, 4: 0.6}, {1: 0.4, 4: 0.4}) == pytest.approx(2.0)


def _steps(proxy: Any, gold: Any, kl: Any) -> list[StepRecord]:
    rows = zip(proxy, gold, kl, strict=True)
    return [StepRecord(step=n, reward=float(p), accuracy=float(g), kl=float(d)) for n, (p, g, d) in enumerate(rows, 1)]


def test_over_optimisation_is_seen_where_it_is_planted() -> None:
    distance = np.linspace(0.01, 1, 60)
    gold = 0.3 + distance * (1.2 - 1.1 * distance)
    noise = random.Random(0)
    hacked = EvidenceRun(record(), lambda: _steps(distance * 3, gold + noise.gauss(0, 1e-3), distance**2))
    honest = EvidenceRun(record(), lambda: _steps(distance, 0.3 + 0.5 * distance, distance**2))
    bend, flat = turn_over(hacked), turn_over(honest)
    assert bend == pytest.approx(1.1, abs=0.01) and flat == pytest.approx(0.0, abs=1e-6)
    assert gold_fall(hacked) == pytest.approx(gold.max() - gold[-3], abs=0.02)
    assert gold_fall(honest) == pytest.approx(0.0, abs=1e-12)
    rise = proxy_rise_after_gold_peak(hacked)
    assert rise is not None and rise > 1.0
    assert proxy_rise_after_gold_peak(honest) == pytest.approx(0.0, abs=1e-12)
    assert turn_over(EvidenceRun(record(), list)) is None


@pytest.mark.parametrize(
    "preset", ["transfer", "coldstart", "passk", "signals", "overoptimisation", "rewards", "gates"]
)
def test_no_preset_scores_a_problem_that_it_trains_on(preset: str) -> None:
    experiment = load(preset)
    made = [registry.create(dict(settings)) for settings in experiment.tasks]
    further = [registry.create(dict(extra)) for extra in experiment.evaluate.extra_tasks]
    taught = {problem.id for task in made for problem in task.problems("train")}
    scored = [problem.id for task in [*made, *further] for split in SCORED for problem in task.problems(split)]
    assert taught and scored and not taught & set(scored)
    assert {split_of(one) for one in taught} == {"train"}
    assert {split_of(one) for one in scored} == set(SCORED)


def test_the_transfer_preset_holds_families_and_levels_out() -> None:
    experiment = load("transfer")
    trained: dict[str, set[int]] = {}
    for settings in experiment.tasks:
        for problem in registry.create(dict(settings)).problems("train"):
            trained.setdefault(problem.family, set()).add(problem.level)
    scored = {
        (p.family, p.level) for e in experiment.evaluate.extra_tasks for p in registry.create(dict(e)).problems("test")
    }
    assert {family for family, _ in scored} - trained.keys() == {"sort", "words"}
    assert {(family, level) for family, level in scored if level not in trained.get(family, {level})} == {
        ("chain", 6),
        ("sums", 5),
    }
