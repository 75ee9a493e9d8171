"""Whether two groups of methods lie apart: against scipy's exact test, on crafted records of a board."""

from typing import Any

import numpy as np
import pytest
from record_factory import record
from scipy.stats import mannwhitneyu

from rlvr_bench.experiment.experiment import load
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.stats.rank_sum import rank_sum_p, shift
from rlvr_bench.studies.analyses import analysis_of
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.derive import judge
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.rates.separation import group_separation

BEST, WORST = ["full", "mask-safe", "geora", "mask-non-principal"], ["ia3", "lora-rank-1", "ln-tuning", "rlpo"]
SCORES = dict(zip([*BEST, *WORST], (0.60, 0.55, 0.58, 0.53, 0.40, 0.45, 0.38, 0.50), strict=True))
PARAMETERS = dict(zip([*BEST, *WORST], (134e6, 8e6, 8e6, 8e6, 1e4, 3e5, 4e4, 8e6), strict=True))


def _evidence(scores: dict[str, float], base: str = "smollm2", rates: dict[str, float] | None = None) -> Evidence:
    runs = []
    for number, (name, share) in enumerate(scores.items()):
        for seed in range(5):
            made = record(name, seed, "1" * round(200 * share) + "0" * (200 - round(200 * share)))
            cell: dict[str, Any] = made.cell | {"base": {"name": base}, "learning_rate": (rates or {}).get(name, 1e-3)}
            cell["signal"] = {"type": "rlvr", "steps": 30}
            cell["task"] = {"name": "chain", "test": 256}
            cell["method"] = {"type": name.split("-")[0]} | ({"select": name} if "mask" in name else {})
            size = 135e6 if base == "smollm2" else 3e5
            attested = dict(made.attestation or {})
            attested |= {"trainable_parameters": PARAMETERS[name], "total_parameters": size}
            changed = {"cell": cell, "attestation": attested, "cell_id": f"{number:06x}{seed:06x}"}
            runs.append(EvidenceRun(RunRecord.model_validate(made.model_dump() | changed)))
    return Evidence(base, tuple(runs), schema=3)


@pytest.mark.parametrize("hypothesis", [-0.3, 0.0, 0.17])
def test_the_rank_sum_is_scipys_exact_test(hypothesis: float) -> None:
    one, other = np.random.default_rng(0).normal(size=(2, 5)).round(2).tolist()
    moved = [value - hypothesis for value in one]
    expected = mannwhitneyu(moved, other, method="exact").pvalue
    assert rank_sum_p(one, other, hypothesis) == pytest.approx(expected)


def test_the_interval_holds_the_shifts_that_the_test_does_not_refuse() -> None:
    one, other = np.random.default_rng(1).normal(size=(2, 6)).tolist()
    found = shift(one, other)
    assert found.low is not None and found.high is not None and found.low < found.estimate < found.high
    assert rank_sum_p(one, other, found.low - 1e-6) <= 0.05 < rank_sum_p(one, other, found.low + 1e-6)
    assert rank_sum_p(one, other, found.high + 1e-6) <= 0.05 < rank_sum_p(one, other, found.high - 1e-6)
    assert shift([1.0, 2.0, 3.0], [0.0, 0.1, 0.2]).low is None  # 2 of 20 splits is no 5 %


def test_ties_leave_less_to_say() -> None:
    apart = rank_sum_p([2.0, 2.0, 2.0, 2.0], [1.0, 1.0, 1.0, 1.0])
    assert apart == pytest.approx(2 / 70)
    assert rank_sum_p([1.0, 2.0], [1.0, 2.0]) == 1.0
    with pytest.raises(ValueError, match="more than 100,000 splits"):
        rank_sum_p(list(range(20)), list(range(20)))


def test_methods_that_are_separated_completely_are_so_at_2_in_70() -> None:
    found = group_separation(_evidence(SCORES), BEST, WORST, {})
    assert found.p_value(0.0) == pytest.approx(2 / 70)
    assert (found.low, found.high) == (pytest.approx(0.03), pytest.approx(0.22))
    assert found.judgement("above", 0.0, 0.01) == "supported" and found.sides == (5, 5)
    mixed = group_separation(_evidence(SCORES | {"rlpo": 0.54}), BEST, WORST, {})
    assert mixed.judgement("above", 0.0, 0.01) == "undecided"
    with pytest.raises(NoEvidence, match="no runs of rlpo"):
        group_separation(_evidence({name: 0.5 for name in SCORES if name != "rlpo"}), BEST, WORST, {})


def test_trials_that_chose_the_rates_are_no_methods_of_a_board() -> None:
    board = _evidence(SCORES)
    trials = []
    for run in board.runs[::5]:
        cell_id, name = f"f{run.record.cell_id[1:]}", f"{run.record.keys.method_name}@0.001"
        keys = run.record.keys.model_copy(update={"method_name": name, "seed": 100})
        trial = run.record.model_copy(update={"cell_id": cell_id, "keys": keys, "accuracy": {}})
        trials.append(EvidenceRun(trial))
    with_trials = Evidence(board.base, (*board.runs, *trials), schema=3)
    for beyond in (None, "trainable_parameters"):
        found = group_separation(with_trials, BEST, WORST, {}, beyond)
        assert found == group_separation(board, BEST, WORST, {}, beyond)


def test_what_the_number_of_parameters_predicts_is_taken_off() -> None:
    by_size = {name: 0.05 * np.log10(count) for name, count in PARAMETERS.items()}
    explained = group_separation(_evidence(by_size), BEST, WORST, {}, beyond="trainable_parameters")
    assert abs(explained.estimate) < 0.005 and explained.judgement("above", 0.0, 0.01) != "supported"
    beyond = {name: share + 0.2 * (name in BEST) for name, share in by_size.items()}
    left = group_separation(_evidence(beyond), BEST, WORST, {}, beyond="trainable_parameters")
    values = np.array([beyond[name] for name in PARAMETERS])
    design = np.stack([np.log10([*PARAMETERS.values()]), np.ones(8)], axis=1)
    residuals = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    pairs = [good - poor for good in residuals[:4] for poor in residuals[4:]]
    assert left.estimate == pytest.approx(float(np.median(pairs)), abs=0.005)


def test_the_registered_claims_are_judged_on_such_a_board() -> None:
    claims = {claim.id: claim for claim in load_claims() if claim.id.startswith("X")}
    assert claims.keys() == {"X1", "X2", "X3", "X4", "X5"}
    for claim in claims.values():
        analysis_of(claim)
    rates = {name: 1e-5 * 10 ** (place % 3) for place, name in enumerate(SCORES)}
    real = _evidence(SCORES, rates=rates)
    smaller = tuple(
        _evidence(SCORES, base, rates) for base in ("organism-direct", "organism-steps", "organism-steps-10m")
    )
    board = Evidence(real.base, real.runs, schema=3, beside=smaller)
    plain = {key: value for key, value in claims["X1"].settings.items() if key not in ("task.name", "evaluate.splits")}
    verdicts = {
        name: judge(claim.model_copy(update={"settings": plain}), [board])[0]["verdict"]
        for name, claim in claims.items()
    }
    assert [verdicts[name] for name in ("X1", "X3", "X4", "X5")] == ["supported"] * 4


def test_the_board_is_of_the_named_methods_at_equal_rates() -> None:
    experiment = load("board-smollm2")
    assert {*BEST, *WORST, "lora", "pissa"} == experiment.methods.keys()
    searched = {str(entry["search"]) for entry in experiment.methods.values()}
    assert experiment.protocol is not None and len(searched) == 1
    places = sorted(int(3 * point[0]) for point in experiment.protocol.points)
    assert places == [0, 1, 2]
    assert experiment.protocol.cells_of_a_study * 10 + 10 * len(experiment.seeds) == 80
    assert set(experiment.protocol.seeds).isdisjoint(experiment.seeds)
