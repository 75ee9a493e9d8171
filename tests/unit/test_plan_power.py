"""What a plan says that its looks will find, against runs that were drawn with known spreads."""

import numpy as np
import pytest
from record_factory import record

from rlvr_bench.plan.power import Power, Spreads, spreads_of
from rlvr_bench.record.schema import RunRecord

SEEDS, PROBLEMS, SPREAD = 40, 400, 0.06


def drawn(methods: int, seed: int) -> list[RunRecord]:
    """Runs whose accuracy varies over seeds by SPREAD; problems are equally hard for all."""
    generator = np.random.default_rng(seed)
    runs = []
    for method in range(methods):
        for run in range(SEEDS):
            chance = float(np.clip(0.6 + SPREAD * generator.standard_normal(), 0, 1))
            digits = "".join(str(int(hit)) for hit in generator.random(PROBLEMS) < chance)
            runs.append(record(f"method{method}", run, digits))
    return runs


def test_spreads_are_those_the_runs_were_drawn_with() -> None:
    found = spreads_of(drawn(5, 3))
    assert found is not None and found.methods == 5
    assert found.seed == pytest.approx(SPREAD, rel=0.25)
    assert found.problem < 0.1
    assert found.residual == pytest.approx(np.sqrt(0.6 * 0.4), rel=0.05)


def test_one_seed_says_nothing_of_spread() -> None:
    assert spreads_of(drawn(2, 3)[:1]) is None
    assert spreads_of([]) is None


def test_a_difference_is_found_at_the_first_look_that_finds_smaller_ones() -> None:
    spreads = Spreads(0.05, 0.2, 0.4, 8)
    minutes = dict.fromkeys((5, 10, 20, 40), 6.0)
    forecast = Power("x", 1024, 3, spreads, {5: 0.2, 10: 0.1, 20: 0.05, 40: 0.029}, minutes)
    assert forecast.look_for(0.1) == 10
    assert forecast.look_for(0.028) is None
    unknown = Power("x", 1024, 3, None, {}, minutes)
    assert [look["detectable_difference"] for look in unknown.as_document()["looks"]] == [None] * 4
