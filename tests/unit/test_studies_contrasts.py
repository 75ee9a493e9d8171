"""Contrasts: differences and ratios of two groups of runs, with intervals over their seeds."""

from statistics import fmean
from typing import Any

import pytest
from claim_evidence import WRITTEN, evidence_of, measured
from hypothesis import given
from hypothesis import strategies as st
from record_factory import outcomes, record

from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies import contrasts
from rlvr_bench.studies.contrasts import difference, over_seeds
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun
from rlvr_bench.studies.finding import difference_interval, mean_interval


def test_intervals_are_those_of_scipy() -> None:
    from scipy import stats

    one, other = [0.1, 0.4, 0.35, 0.2], [0.6, 0.9, 0.55]
    welch = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    found = difference_interval(one, other)
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    student = stats.ttest_1samp(one, 0).confidence_interval(0.95)
    alone = mean_interval(one)
    assert (alone.low, alone.high) == pytest.approx((student.low, student.high))


def test_a_ratio_is_taken_on_the_logarithm() -> None:
    records = [measured("lora", s, shift=2.0 * 2**s) for s in range(3)]
    records += [measured("full", s, shift=1.0 * 2**s) for s in range(3)]
    found = contrasts.ratio(evidence_of(records), "geometry.shift", {"method_name": "lora"}, {"method_name": "full"})
    assert found.estimate == pytest.approx(2.0)
    assert found.low is not None and found.high is not None
    assert found.low * found.high == pytest.approx(4.0)


def _runs(values: dict[str, list[float]]) -> list[contrasts.Valued]:
    """Return runs of each method with these values for the seeds 0, 1, ..."""
    return [
        (EvidenceRun(record(method, seed)), Value(value))
        for method, found in values.items()
        for seed, value in enumerate(found)
    ]


@given(st.lists(st.lists(st.floats(-10, 10), min_size=3, max_size=3), min_size=1, max_size=3))
def test_with_the_same_seeds_everywhere_the_interval_is_that_of_their_means(values: list[list[float]]) -> None:
    found = over_seeds(_runs(dict(zip(("full", "lora", "dora"), values, strict=False))))
    expected = mean_interval([fmean(each) for each in zip(*values, strict=True)])
    for end in ("estimate", "low", "high"):
        assert getattr(found, end) == pytest.approx(getattr(expected, end), abs=1e-9)


def test_a_setting_that_one_seed_lacks_is_no_spread_over_seeds() -> None:
    found = over_seeds(_runs({"full": [0.10, 0.11, 0.09], "lora": [0.90, 0.91]}))
    assert found.estimate == pytest.approx((0.10 + 0.905) / 2)
    assert found.low is not None and found.high is not None and found.high - found.low < 0.1
    alone = over_seeds(_runs({"full": [0.10, 0.11, 0.09], "lora": [0.90]}))
    assert alone.estimate == pytest.approx(0.10), "one run knows nothing of the spread"
    assert over_seeds(_runs({"full": [0.1], "lora": [0.9]})).low is None


def test_a_seed_that_was_run_twice_is_no_second_seed() -> None:
    once = [measured(m, s, sparsity_bf16=v + s / 100) for m, v in (("lora", 0.6), ("full", 0.5)) for s in range(3)]
    again = [each.model_copy(update={"cell_id": each.cell_id[::-1]}) for each in once]
    where: tuple[Any, ...] = ("geometry.sparsity_bf16", {"method_name": "lora"}, {"method_name": "full"}, ["task.name"])
    first, second = (difference(evidence_of(records), *where) for records in (once, once + again))
    assert (first.low, first.high) == pytest.approx((second.low, second.high))


def test_a_single_run_elsewhere_does_not_take_the_interval_away() -> None:
    records = [measured("lora", s, shift=2.0 + 0.1 * s) for s in range(3)]
    records += [measured("full", s, shift=1.0 + 0.1 * s) for s in range(3)]
    where = {"method_name": "lora"}, {"method_name": "full"}
    alone = contrasts.difference(evidence_of(records), "geometry.shift", *where, match=["task.name"])
    elsewhere = [
        each.model_copy(update={"cell": each.cell | {"task": {"name": "sums"}}, "cell_id": name * 12})
        for name, each in (("a", measured("lora", 0, shift=9.0)), ("b", measured("full", 0, shift=1.0)))
    ]
    found = contrasts.difference(evidence_of(records + elsewhere), "geometry.shift", *where, match=["task.name"])
    assert found == alone and found.low is not None
    single = contrasts.difference(evidence_of(elsewhere), "geometry.shift", *where, match=["task.name"])
    assert (single.estimate, single.low) == (8.0, None)


def test_accuracies_are_compared_on_the_same_problems() -> None:
    better = [record("lora", s, outcomes(0.9, seed=s)) for s in range(3)]
    worse = [record("full", s, outcomes(0.4, seed=s)) for s in range(3)]
    where = {"method_name": "lora"}, {"method_name": "full"}
    found = contrasts.accuracy_difference(evidence_of(better + worse), *where, match=["task.name"])
    assert found.low is not None and found.low > 0.3
    assert (found.seeds, len(found.cells)) == ((0, 1, 2), 6)
    elsewhere = [record("full", s, outcomes(0.4, seed=s), problems="problems-2") for s in range(3)]
    with pytest.raises(NoEvidence, match="problems"):
        contrasts.accuracy_difference(evidence_of(better + elsewhere), *where, match=["task.name"])


def test_sides_on_the_same_prompts_are_paired_by_seed() -> None:
    """As the arms of a clip: each seed moves both sides alike, so that their difference hardly scatters."""

    def evidence(rewards: tuple[str, str]) -> Evidence:
        records = []
        for method, reward, shift in (("lora", rewards[0], 0.05), ("full", rewards[1], 0.0)):
            for seed, luck in enumerate((0.1, 0.7, 0.4, 0.9)):
                made = measured(method, seed, sparsity_bf16=luck + shift + 0.001 * (seed % 2) * len(method))
                cell = made.cell | {"reward": {"name": reward}}
                records.append(made.model_copy(update={"cell": cell}))
        return evidence_of(records)

    together, apart = (
        difference(evidence(names), **WRITTEN["arguments"]) for names in (("random",) * 2, ("random", "exact"))
    )
    assert together.note == "paired by seed" and apart.note == ""
    assert together.estimate == apart.estimate
    from scipy import stats

    values = {run.record.keys.method_name: [] for run in evidence(("random",) * 2).runs}
    for run in evidence(("random",) * 2).runs:
        values[run.record.keys.method_name].append(run.figure("geometry.sparsity_bf16"))
    expected = stats.ttest_rel(values["lora"], values["full"]).confidence_interval(0.95)
    assert (together.low, together.high) == pytest.approx((expected.low, expected.high))
    assert apart.high is not None and apart.high > 0.5
