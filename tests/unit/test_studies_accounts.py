"""Analyses on updates, repeated data, disjoint masks and orders of methods, against planted records."""

import math
from typing import Any

import numpy as np
import pytest
from record_factory import outcomes, record, score
from scipy import stats

from rlvr_bench.experiment.experiment import load
from rlvr_bench.geometry.packed_sketches import pack_sketch, unpack_sketch
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.finding import Finding
from rlvr_bench.studies.gates.best_rates import rate_sharpness_agreement
from rlvr_bench.studies.gates.disjoint import worst_accuracy_difference
from rlvr_bench.studies.signals import analyses as signals
from rlvr_bench.studies.signals.figures import FIGURES
from rlvr_bench.studies.signals.sizes import order_agreement, rate_shift
from rlvr_bench.studies.signals.updates import update_cosine, update_cosine_below_ceiling, update_cosine_difference

MATCH = ["task.name"]
COUNT = iter(range(10**6))


def _changed(made: RunRecord, measurements: dict[str, Any] | None = None, **cell: Any) -> RunRecord:
    return made.model_copy(
        update={
            "cell": made.cell | cell,
            "cell_id": f"{next(COUNT):012x}",
            "measurements": made.measurements | (measurements or {}),
        }
    )


def _evidence(records: list[RunRecord], base: str = "organism-steps", **others: Any) -> Evidence:
    return Evidence(base, tuple(EvidenceRun(each) for each in records), **others)


SEEDS = range(6)
A, B, C = ({"signal.type": kind} for kind in ("rft", "sft", "dpo"))


def _moved() -> Evidence:
    """Updates of a signal's own direction and noise: rft at 0.8 of sft's direction, dpo orthogonal to both."""
    rng = np.random.default_rng(0)
    main, side = np.linalg.qr(rng.normal(size=(400, 2)))[0].T
    directions = {"sft": main, "rft": 0.8 * main + 0.6 * side, "dpo": np.roll(side, 7)}
    records = []
    for seed in SEEDS:
        for kind, direction in directions.items():
            sketch = (direction + 0.02 * rng.normal(size=400)).astype(np.float32)
            held = {"update_sketch": {"sketch": pack_sketch(sketch)}}
            records.append(_changed(record(seed=seed), held, signal={"type": kind}))
    return _evidence(records)


def _cosines(evidence: Evidence, one: str, other: str) -> np.ndarray:
    def sketch(kind: str, seed: int) -> np.ndarray:
        (run,) = [run for run in evidence.runs if run.setting("signal.type") == kind and run.seed == seed]
        return unpack_sketch((run.record.measurement("update_sketch") or {})["sketch"]).astype(np.float64)

    pairs = [(sketch(one, seed), sketch(other, seed)) for seed in SEEDS]
    return np.array([x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in pairs])


def _interval_of(values: np.ndarray, found: Finding) -> None:
    """A jackknife of a mean is Student's interval."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert (found.estimate, found.low, found.high) == pytest.approx((values.mean(), low, high))


def test_the_cosine_is_the_mean_over_seeds_with_students_interval() -> None:
    evidence = _moved()
    found = update_cosine(evidence, A, B, MATCH)
    _interval_of(_cosines(evidence, "rft", "sft"), found)
    assert 0.6 < found.estimate < 0.8 and found.sides == (6, 6) and len(found.cells) == 12
    assert abs(update_cosine(evidence, C, B, MATCH).estimate) < 0.1


def test_a_difference_of_cosines_is_taken_within_seeds() -> None:
    evidence = _moved()
    found = update_cosine_difference(evidence, A, C, B, MATCH)
    _interval_of(_cosines(evidence, "rft", "sft") - _cosines(evidence, "dpo", "sft"), found)
    assert found.sides == (6, 6, 6)


def test_the_ceiling_is_what_two_seeds_of_one_signal_share() -> None:
    evidence = _moved()
    found = update_cosine_below_ceiling(evidence, A, B, MATCH)
    assert found.estimate == pytest.approx(-0.2 / (1 + 0.16), abs=0.04), "of 0.8 and of 1, both shrunk by the noise"
    assert found.high is not None and found.high < 0


def test_updates_that_were_not_sketched_or_share_no_seed_say_nothing() -> None:
    with pytest.raises(NoEvidence, match="no record has a sketch"):
        update_cosine(_evidence([_changed(record(), signal={"type": kind}) for kind in ("rft", "sft")]), A, B, MATCH)
    evidence = _moved()
    apart = [run for run in evidence.runs if (run.setting("signal.type") == "rft") == (run.seed < 3)]
    with pytest.raises(NoEvidence, match="no two seeds"):
        update_cosine(Evidence("x", tuple(apart)), A, B, MATCH)


def test_the_slope_over_repeats_is_that_of_the_plant() -> None:
    records = []
    for seed in range(3):
        for few in (1024, 256, 64, 16):
            made = record(seed=seed, tuned="1" * 150 + "0" * 50)
            lost = round(200 * 0.02 * math.log2(1024 / few))
            tuned = score("1" * (150 - lost) + "0" * (50 + lost))
            scored = made.accuracy | {"tuned": {"chain": {"test": tuned}}}
            one = _changed(made, signal={"type": "sft", "train_problems": few})
            one = one.model_copy(update={"accuracy": scored, "comparison": f"organism-steps.{few}"})
            records.append(one)
    task = str(records[0].keys.task["name"])
    assert task == "chain"
    found = signals.repeats_slope(_evidence(records), "gain", {"signal.type": "sft"})
    assert found.estimate == pytest.approx(-0.02, abs=1e-6)


def test_figures_of_memory_and_recovery_by_hand() -> None:
    half = {"60": {"exact": 0.25}, "solution_perplexity": 2.0}
    after = {"60": {"exact": 0.5}, "solution_perplexity": 1.0}
    recovery = {"base": 0.2, "tuned": 0.6, "forks": 0.5, "random": 0.25}
    run = EvidenceRun(
        _changed(record(), {"train_memory": {"base": half, "tuned": after}, "changed_tokens": {"recovery": recovery}})
    )
    assert FIGURES["memory of trained questions"](run) == 0.25
    assert FIGURES["surprise at trained solutions"](run) == pytest.approx(-math.log(2))
    assert FIGURES["gain recovered at forks"](run) == pytest.approx(0.75)
    assert FIGURES["gain recovered at random"](run) == pytest.approx(0.125)
    still = EvidenceRun(_changed(record(), {"changed_tokens": {"recovery": recovery | {"tuned": 0.22}}}))
    assert FIGURES["gain recovered at forks"](still) is None


def _masks(shares: dict[int, float]) -> Evidence:
    records = []
    for seed in range(5):
        for part, share in shares.items():
            method = {"type": "mask", "select": "random", "part": part}
            records.append(_changed(record("mask", seed, outcomes(share, seed=seed)), method=method))
        records.append(_changed(record("full", seed, outcomes(0.6, seed=seed)), method={"type": "full"}))
    return _evidence(records)


def test_the_worst_of_the_masks_decides() -> None:
    masks, full = {"method.type": "mask"}, {"method.type": "full"}
    found = worst_accuracy_difference(_masks({0: 0.6, 1: 0.61, 2: 0.4}), masks, full, MATCH)
    alone = worst_accuracy_difference(_masks({0: 0.6, 1: 0.61}), masks, full, MATCH)
    assert found.estimate == pytest.approx(-0.2, abs=0.05) and found.high is not None and found.high < -0.05
    assert found.judgement("above", -0.05) == "contradicted" and alone.judgement("above", -0.1) == "supported"
    assert found.settings is not None and found.settings.count == 3
    with pytest.raises(NoEvidence, match="1 mask"):
        worst_accuracy_difference(_masks({0: 0.6}), masks, full, MATCH)


METHODS = ("full", "lora", "dora", "pissa", "svf", "mask")


def _order(base: str, accuracies: tuple[float, ...], size: int = 10) -> Evidence:
    records = []
    for seed in range(3):
        for place, (method, share) in enumerate(zip(METHODS, accuracies, strict=True)):
            made = _changed(
                record(method, seed, "1" * round(200 * share) + "0" * round(200 * (1 - share))),
                method={"type": method},
                learning_rate=1e-3 * (1 + place),
            )
            attested = dict(made.attestation or {}) | {"trainable_parameters": 6 - place, "total_parameters": size}
            records.append(made.model_copy(update={"attestation": attested}))
    return _evidence(records, base)


RISING = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


def test_the_agreement_of_orders_is_kendalls_tau_between_bases() -> None:
    other = _order("./organism-steps-1m", (0.2, 0.1, 0.3, 0.4, 0.6, 0.5))
    large = _order("./organism-steps-3m", RISING, size=30)
    evidence = Evidence(large.base, large.runs, beside=(other,))
    found = order_agreement(evidence, {}, "organism-steps-1m")
    assert found.estimate == pytest.approx(stats.kendalltau(RISING, (0.2, 0.1, 0.3, 0.4, 0.6, 0.5)).statistic)
    assert found.low is not None and found.low < found.estimate and found.sides == (3, 3)
    assert order_agreement(evidence, {}, "organism-steps-1m", by="rate").estimate == 1
    assert order_agreement(evidence, {}, "trainable parameters").estimate == -1
    with pytest.raises(NoEvidence, match="organism-steps-3m is not smaller"):
        order_agreement(Evidence(other.base, other.runs, beside=(large,)), {}, "organism-steps-3m")


def test_an_order_needs_another_base_and_enough_methods() -> None:
    small = _order("organism-steps", RISING, size=20)
    with pytest.raises(NoEvidence, match="no records on organism-steps-3m"):
        order_agreement(small, {}, "organism-steps-3m")
    few = Evidence(small.base, small.runs, beside=(_order("b", RISING),))
    with pytest.raises(NoEvidence, match="2 methods have runs on both"):
        order_agreement(few, {"method.type": ["full", "lora"]}, "b")
    flat = Evidence(small.base, small.runs, beside=(_order("b", (0.5,) * 6),))
    with pytest.raises(NoEvidence, match="differ on both sides"):
        order_agreement(flat, {}, "b")


def test_the_shift_of_best_rates_is_a_geometric_mean_over_methods() -> None:
    small, large = _order("organism-steps", RISING), _order("./organism-steps-1m", RISING, size=20)
    factors = (0.5, 0.5, 0.25, 1.0, 0.5, 0.25)
    halved = [
        EvidenceRun(_changed(run.record, learning_rate=run.setting("learning_rate") * factors[place % 6]))
        for place, run in enumerate(large.runs)
    ]
    found = rate_shift(Evidence(large.base, tuple(halved), beside=(small,)), {}, "organism-steps")
    logs = np.log(factors)
    low, high = stats.t.interval(0.95, 5, logs.mean(), stats.sem(logs))
    assert (found.estimate, found.low, found.high) == pytest.approx(tuple(np.exp([logs.mean(), low, high])))
    assert found.judgement("below", 1.0) == "supported" and found.note == "6 methods"
    with pytest.raises(NoEvidence, match="is not smaller"):
        rate_shift(Evidence(small.base, small.runs, beside=(large,)), {}, "organism-steps-1m")


def _sharp(eigenvalues: dict[str, float], rates: dict[str, tuple[float, ...]]) -> Evidence:
    """Tuned runs at `rates`, one a seed, and runs of the same methods that measured twice and half of an eigenvalue."""
    tuned = [
        _changed(record(name, seed), tuning={"trials": 8}, learning_rate=rate)
        for name, of in rates.items()
        for seed, rate in enumerate(of)
    ]
    measured = [
        _changed(record(name, seed), {"sharpness": {"gold": {"eigenvalue": value * 4.0**seed / 2}}}, learning_rate=1e-5)
        for name, value in eigenvalues.items()
        for seed in range(2)
    ]
    return _evidence(tuned + measured)


TUNED, MEASURED = {"tuning.trials": 8}, {"learning_rate": 1e-5}


def test_sharpness_orders_best_rates_by_kendalls_tau_over_methods() -> None:
    eigenvalues = dict(zip("abcdef", (1.0, 2.0, 4.0, 3.0, 8.0, 16.0), strict=True))
    rates = {"a": (8e-3,), "b": (4e-3, 1e-3), "c": (1e-3,), "d": (5e-4,), "e": (2e-4,), "f": (1e-4,), "alone": (1.0,)}
    found = rate_sharpness_agreement(_sharp(eigenvalues, rates), TUNED, MEASURED, "gold")
    middle = (8e-3, 2e-3, 1e-3, 5e-4, 2e-4, 1e-4)
    assert found.estimate == pytest.approx(stats.kendalltau(list(eigenvalues.values()), middle).statistic)
    assert (
        found.note == "6 methods" and found.sides == (2, 2) and found.high is not None and found.high > found.estimate
    )
    with pytest.raises(NoEvidence, match="has sharpness of own completions"):
        rate_sharpness_agreement(_sharp(eigenvalues, rates), TUNED, MEASURED, "own")
    with pytest.raises(NoEvidence, match="4 methods have runs on both sides"):
        rate_sharpness_agreement(_sharp(eigenvalues, {name: rates[name] for name in "abcd"}), TUNED, MEASURED, "gold")


def test_sharpness_is_measured_where_the_methods_of_the_reference_start() -> None:
    tuned, measured = load("reference"), load("sharpness")

    def starts(methods: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {
            name: {key: value for key, value in entry.items() if key not in ("search", "learning_rate")}
            for name, entry in methods.items()
        }

    assert starts(measured.methods) == starts(tuned.methods)
    assert [base.name for base in measured.bases] == [base.name for base in tuned.bases]
