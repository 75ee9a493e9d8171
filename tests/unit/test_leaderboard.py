"""From crafted records to the leaderboard: bytes, ranking rules, what is left undefined."""

import random
from pathlib import Path

import pytest
from record_factory import outcomes, record
from scipy.stats import binomtest

from rlvr_bench.leaderboard.columns import BY_NAME, COLUMNS, Row, columns_markdown, json_row, text
from rlvr_bench.leaderboard.file import read_csv, to_csv
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord, Score

CONTRACT = """comparison base task signal reward method rank_group accuracy accuracy_lo accuracy_hi gain gain_lo gain_hi
gain_over_control seeds collapsed accuracy_sd trainable_params trainable_share lr update_sparsity_bf16 spectral_shift
principal_angle_max_deg kl tokens seconds peak_memory_mb status"""


def rows_of(records: list[RunRecord]) -> list[Row]:
    return [standing.row for standing in leaderboard(records)]


def by_method(records: list[RunRecord]) -> dict[str, Row]:
    return {str(row["method"]): row for row in rows_of(records)}


def grid() -> list[RunRecord]:
    """Two methods apart, one tied with the best, one that failed once, a control reward."""
    records = [record("lora", seed) for seed in range(5)]
    records += [record("full", seed, outcomes(0.8, seed=seed + 10)) for seed in range(5)]
    records += [record("pissa", seed, outcomes(0.79, seed=seed + 20), extra={"svamp": "0110"}) for seed in range(5)]
    records += [record("mask", seed, status="failed" if seed == 0 else "done") for seed in range(5)]
    return records + [record("lora", seed, outcomes(0.45, seed=seed + 30), reward="random") for seed in range(5)]


def test_the_contract_columns_come_first_in_their_order() -> None:
    contract = CONTRACT.split()
    assert [column.name for column in COLUMNS][: len(contract)] == contract
    assert len(BY_NAME) == len(COLUMNS)
    header = to_csv(rows_of(grid())).splitlines()[0]
    assert header.startswith(",".join(contract) + ",")


def test_every_line_of_a_small_board_by_hand() -> None:
    tuned = ["1110" * 5, "1100" * 5, "1111" * 5, "1110" * 5, "1110" * 5]
    records = [record("lora", seed, digits, base="1000" * 5) for seed, digits in enumerate(tuned)]
    base, lora = sorted(rows_of(records), key=lambda row: str(row["method"]))
    assert lora["accuracy"] == 0.75 and lora["accuracy_sd"] == 0.1768 and lora["accuracy_worst_seed"] == 0.5
    assert lora["gain"] == 0.5 and lora["base_accuracy"] == 0.25 and base["accuracy"] == 0.25
    assert lora["tokens"] == 5000 and lora["seconds"] == 12.0 and lora["peak_memory_mb"] == 300.0
    assert lora["trainable_params"] == 1000 and lora["trainable_share"] == 0.025 and lora["lr"] == 0.001
    assert lora["rollouts"] == 40 * 4 * 8 / 2
    line = to_csv([lora]).splitlines()[1]
    assert line.startswith("organism-steps.chain-4.rlvr.exact.abcdef,organism-steps,chain,rlvr,exact,lora,a,0.7500,")
    assert ",,5,0,0.1768,1000,0.025,0.001,0.7500,,,0.05,5000,12,300,ranked,0.0000,0.0000,0.5218,0.7500," in line
    assert ",5,,yes,0,1.0000,0.5000,,0.2500,20,2," in line
    assert f',0.5,2,40,640,{lora["match"]},,,,"{{""type"":""lora""}}",0 1 2 3 4,fast,,{lora["cells"]},' in line


def test_any_order_of_records_gives_the_same_bytes() -> None:
    records = grid()
    expected = to_csv(rows_of(records))
    for seed in range(3):
        random.Random(seed).shuffle(records)
        assert to_csv(rows_of(records)) == expected


def test_ranks_groups_and_order() -> None:
    rows = [row for row in rows_of(grid()) if row["reward"] == "exact"]
    assert [row["method"] for row in rows] == ["full", "pissa", "mask", "lora", "base"]
    groups = {str(row["method"]): row["rank_group"] for row in rows}
    assert groups["full"] == groups["pissa"] == "a"
    assert not set("a") & set(str(groups["lora"])) and groups["base"] not in (groups["lora"], "a")


def test_failed_seeds_are_named_and_are_not_in_the_accuracy() -> None:
    mask = by_method(grid())["mask"]
    assert mask["status"] == "ranked; 1 of 5 seeds failed (OutOfMemoryError)"
    assert (mask["seeds"], mask["failed"], mask["seed_list"]) == (4, 1, "0 1 2 3 4")
    assert mask["stable_share"] == 0.8 and mask["broken"] == 0.2


def test_collapsed_seeds_count_in_the_mean_and_not_in_the_accuracy_given_sound() -> None:
    ends = [*[("done", "1" * 20)] * 4, ("collapsed", "0" * 20)]
    records = [record("lora", i, tuned, base="0" * 20, status=status) for i, (status, tuned) in enumerate(ends)]
    lora = by_method(records)["lora"]
    assert lora["accuracy"] == 0.8 and lora["collapsed"] == 1 and lora["stable_share"] == 0.8
    assert lora["accuracy_sound"] == 1.0 and lora["broken"] == 0.2
    interval = binomtest(1, 5).proportion_ci(method="exact")
    assert (lora["broken_lo"], lora["broken_hi"]) == pytest.approx(tuple(interval), abs=1e-4)
    low, high = lora["accuracy_lo"], lora["accuracy_hi"]
    assert isinstance(low, float) and isinstance(high, float) and low < 0.5 and high == 1.0
    assert lora["status"] == "ranked" and lora["look"] == 5


def test_a_dead_run_that_is_called_done_is_labelled_when_the_table_is_derived() -> None:
    dead = record("lora", 4, outcomes(0.1, seed=4))
    assert dead.status == "done"
    lora = by_method([*(record("lora", seed) for seed in range(4)), dead])["lora"]
    assert (lora["collapsed"], lora["broken"], lora["seeds"]) == (1, 0.2, 5)
    assert isinstance(lora["accuracy_sound"], float) and isinstance(lora["accuracy"], float)
    assert lora["accuracy_sound"] > lora["accuracy"] + 0.05


def test_a_method_that_dies_mostly_is_shown_and_not_ranked() -> None:
    dying = [record("dying", seed, outcomes(0.1, seed=seed)) for seed in range(3)]
    dying += [record("dying", seed) for seed in (3, 4)]
    rows = by_method([*grid(), *dying])
    assert rows["dying"]["status"] == "unranked: 2 of its first 5 runs are sound, 3 are needed"
    assert rows["dying"]["broken"] == 0.6 and rows["dying"]["rank_group"] is rows["dying"]["may_be_best"] is None
    assert rows["full"]["rank_group"] == "a"


def test_at_three_seeds_nothing_is_ranked() -> None:
    rows = by_method([record(method, seed) for method in ("lora", "full") for seed in range(3)])
    assert {rows[method]["status"] for method in ("lora", "full")} == {"unranked: 3 seeds, 5 are needed"}
    assert rows["lora"]["look"] is None and rows["lora"]["accuracy_sound"] is not None


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([record("lora", 0)], "unranked: 1 seed, 5 are needed"),
        (
            [record("lora", seed, status="invalid" if seed > 4 else "done") for seed in range(7)],
            "unranked: 2 of 7 seeds invalid (OutOfMemoryError)",
        ),
        (
            [record("lora", seed, status="failed") for seed in range(3)],
            "unranked: 3 seeds, 5 are needed; 3 of 3 seeds failed (OutOfMemoryError)",
        ),
        (
            [record("lora", seed, problems="other" if seed else "problems-1") for seed in range(5)],
            "unranked: its seeds or its base were scored on different problems",
        ),
    ],
)
def test_what_cannot_be_ranked_says_why(records: list[RunRecord], reason: str) -> None:
    row = by_method(records)["lora"]
    assert row["status"] == reason and row["rank_group"] is None


def test_rows_on_other_problems_than_the_rest_are_unranked() -> None:
    records = [record("lora", s) for s in range(6)] + [record("full", s, problems="other") for s in range(5)]
    assert by_method(records)["full"]["status"] == "unranked: scored on other problems than the rest of its comparison"
    assert by_method(records)["lora"]["status"] == "ranked"


def test_rows_of_another_backend_than_the_rest_are_unranked() -> None:
    records = [record("lora", s) for s in range(6)] + [record("full", s, backend="vllm") for s in range(5)]
    status = str(by_method(records)["full"]["status"])
    assert status.startswith("unranked: run by vllm rollouts and packed updates, most of its comparison by fast")
    assert by_method(records)["lora"]["status"] == "ranked"


def test_seeds_of_different_settings_are_never_averaged() -> None:
    records = [record("lora", s) for s in range(2)] + [record("lora", s, settings={"r": 8}) for s in range(2)]
    rows = [row for row in rows_of(records) if row["method"] == "lora"]
    assert sorted(str(row["method_config"]) for row in rows) == ['{"r":8,"type":"lora"}', '{"type":"lora"}']


def test_records_of_before_a_setting_came_are_one_row_with_those_after_it() -> None:
    """Seeds that are added after `part` came to the masks belong to those that were run before."""
    records = [record("mask-random", seed) for seed in range(10)]
    settings = {"type": "mask", "select": "random"}
    for place, each in enumerate(records):
        method = settings if place < 5 else settings | {"part": 0}
        records[place] = each.model_copy(update={"cell": each.cell | {"method": method}})
    assert by_method(records)["mask-random"]["seeds"] == 10 and len(rows_of(records)) == 2  # it and the base


def test_stale_records_are_left_out() -> None:
    stale = [record("full", seed, status="stale") for seed in range(3)]
    assert set(by_method([*stale, record("lora", 0), record("lora", 1)])) == {"lora", "base"}


def test_gain_over_control_needs_a_control_row_and_the_control_has_none() -> None:
    rows = {(row["reward"], row["method"]): row for row in rows_of(grid())}
    lora, control = rows["exact", "lora"], rows["random", "lora"]
    assert isinstance(lora["accuracy"], float) and isinstance(control["accuracy"], float)
    assert lora["gain_over_control"] == pytest.approx(lora["accuracy"] - control["accuracy"], abs=1e-4)
    assert control["gain_over_control"] is None and rows["exact", "full"]["gain_over_control"] is None


def test_every_comparison_has_a_base_row_even_without_a_score() -> None:
    base = by_method([record("lora", 0, status="failed")])["base"]
    assert base["status"] == "unranked: no record holds a test score of the base"
    assert base["accuracy"] is None and base["gain"] is None


def test_undefined_is_empty_and_zero_is_zero() -> None:
    row = by_method([record("lora", seed, "0" * 10, base="0" * 10) for seed in range(2)])["lora"]
    assert row["accuracy"] == 0.0 and row["gain"] == 0.0 and row["truncated"] == 0.0
    assert row["spectral_shift"] is None and row["pass_16"] is None and row["accuracy_validation"] is None
    assert text(BY_NAME["gain"], -0.00001) == "0.0000" and text(BY_NAME["gain"], None) == ""


def test_validation_and_transfer_are_read_from_their_own_scores() -> None:
    original = record("pissa", 0, extra={"svamp": "0110"})
    validation = Score(n=2, problems_hash="v", greedy=0.5, greedy_outcomes="01")
    tuned = original.accuracy["tuned"]
    accuracy = original.accuracy | {"tuned": tuned | {"chain": tuned["chain"] | {"validation": validation}}}
    row = by_method([original.model_copy(update={"accuracy": accuracy})])["pissa"]
    assert row["accuracy_validation"] == 0.5
    assert row["transfer"] == '{"svamp":{"accuracy":0.5,"gain":0.5}}'
    assert json_row(row)["transfer"] == {"svamp": {"accuracy": 0.5, "gain": 0.5}}


def test_csv_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    rows = rows_of(grid())
    path = tmp_path / "leaderboard.csv"
    path.write_text(to_csv(rows), encoding="utf-8")
    assert read_csv(path) == rows
    assert b"\r" not in path.read_bytes()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "not a leaderboard's header"),
        ("a,b\n1,2\n", "not a leaderboard's header"),
        ("comparison,method,accuracy\nc,m\n", "line 2: 2 cells under 3 columns"),
        ("comparison,method,accuracy\nc,m,good\n", "line 2: accuracy is 'good', not a number"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path: Path, content: str, complaint: str) -> None:
    path = tmp_path / "leaderboard.csv"
    path.write_text(content)
    with pytest.raises(RecordError, match=complaint):
        read_csv(path)


def test_column_table_has_a_line_per_column() -> None:
    lines = columns_markdown().splitlines()
    assert len(lines) == len(COLUMNS) + 2
    assert all(line.count("|") == 4 for line in lines)


def test_a_sweep_on_validation_shows_its_accuracies_and_is_not_ranked() -> None:
    scored = record("lora", 0)
    moved = {role: {"chain": {"validation": splits["chain"]["test"]}} for role, splits in scored.accuracy.items()}
    rows = [standing.row for standing in leaderboard([scored.model_copy(update={"accuracy": moved})])]
    lora = next(row for row in rows if row["method"] == "lora")
    assert lora["accuracy"] is None
    assert lora["accuracy_validation"] == scored.accuracy["tuned"]["chain"]["test"].greedy
    assert lora["status"] == "unranked: scored on the validation split only"


def test_a_record_whose_intervention_is_not_installed_costs_nothing_else() -> None:
    runs = [record("lora", seed, outcomes(0.5, seed=seed)) for seed in range(2)]
    odd = runs[0].model_copy(update={"cell": runs[0].cell | {"interventions": {"from_elsewhere": {}}}})
    assert {standing.row["method"] for standing in leaderboard([odd, runs[1]])} == {"base", "lora"}
