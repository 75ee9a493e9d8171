"""The same methods on several bases, from crafted records."""

import csv
import io

import pytest
from record_factory import outcomes, record
from scipy import stats

from rlvr_bench.leaderboard.over_bases import over_bases, to_csv
from rlvr_bench.record.schema import RunRecord

SHARES = {"a": 0.9, "b": 0.8, "c": 0.6, "d": 0.4, "e": 0.3}


def _runs(base: str, shares: dict[str, float], seeds: int = 3, **changes: object) -> list[RunRecord]:
    found = []
    for name, share in shares.items():
        for seed in range(seeds):
            made = record(name, seed, outcomes(share, seed=seed))
            cell = made.cell | {"base": {"name": base}} | changes
            comparison = f"{base}.chain-4.rlvr.exact.{base[:3]}123"
            found.append(
                made.model_copy(update={"cell": cell, "comparison": comparison, "cell_id": f"{base}{name}{seed}"})
            )
    return found


def test_methods_are_ranked_over_bases_and_orders_compared() -> None:
    turned = dict(zip(SHARES, [0.8, 0.9, 0.6, 0.3, 0.4], strict=True))
    (found,) = over_bases(_runs("one", SHARES) + _runs("two", turned))
    assert (found.bases, found.runs) == (("one", "two"), 3)
    assert [row.method for row in found.methods][2] == "c"
    assert {row.method: row.rank.mean for row in found.methods} == {"a": 1.5, "b": 1.5, "c": 3.0, "d": 4.5, "e": 4.5}
    between = found.agreements[0]
    expected = stats.kendalltau(list(SHARES.values()), list(turned.values())).statistic
    assert (between.one, between.other) == ("one", "two") and between.tau.mean == pytest.approx(expected, abs=0.21)
    rows = list(csv.DictReader(io.StringIO(to_csv([found]))))
    assert [row["method"] for row in rows] == [row.method for row in found.methods]


def test_no_name_is_a_formula_of_a_spreadsheet() -> None:
    odd = {"=cmd|' -C calc'!A1": 0.9, **SHARES}
    (found,) = over_bases(_runs("@one", odd) + _runs("two", odd))
    cells = [cell for row in csv.reader(io.StringIO(to_csv([found]))) for cell in row]
    assert any("calc" in cell for cell in cells) and not [cell for cell in cells if cell[:1] in set("=@")]


def test_other_settings_few_methods_and_single_runs_are_no_order_over_bases() -> None:
    one = _runs("one", SHARES)
    assert over_bases(one) == []
    assert over_bases(one + _runs("two", SHARES, signal={"type": "rlvr", "steps": 9})) == []
    assert over_bases(one + _runs("two", SHARES, seeds=1)) == []
    few = dict(list(SHARES.items())[:4])
    assert over_bases(_runs("one", few) + _runs("two", few)) == []


def test_the_setting_with_most_methods_comes_first() -> None:
    short = {"type": "rlvr", "steps": 1}
    wide = SHARES | {"f": 0.2}
    few = _runs("four", SHARES, signal=short) + _runs("five", SHARES, signal=short)
    many = _runs("one", wide, signal={"type": "rlvr", "steps": 9}) + _runs(
        "two", wide, signal={"type": "rlvr", "steps": 9}
    )
    for records in (few + many, many + few):
        assert [len(found.methods) for found in over_bases(records)] == [6, 5]


def test_a_setting_that_is_off_is_one_that_is_not_named() -> None:
    named = _runs("two", SHARES, signal={"type": "rlvr", "whiten_advantages": False})
    assert len(over_bases(_runs("one", SHARES, signal={"type": "rlvr"}) + named)) == 1


def test_seeds_that_were_added_after_a_setting_came_count_with_those_before_it() -> None:
    signal = {"type": "rlvr", "steps": 9}
    later = signal | {"vllm_mode": "colocate"}
    grown = _runs("one", SHARES, 5, signal=later)
    grown = [made for made in grown if made.keys.seed > 2] + _runs("one", SHARES, 3, signal=signal)
    (found,) = over_bases(grown + _runs("two", SHARES, 5, signal=later))
    assert found.runs == 5
