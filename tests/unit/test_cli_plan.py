"""A plan and the settings behind it in a terminal: whole words, nothing beyond the width, no block twice."""

import io

import pytest

from rlvr_bench.cli.views.plan import short_name, show_plan_tables
from rlvr_bench.cli.views.settings import show_settings
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.changes import Changes
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.origins import ResolvedValue, resolved_values
from rlvr_bench.plan.power import Power, Spreads, power
from rlvr_bench.plan.states import PlannedCell
from rlvr_bench.stats.looks import LOOKS

WIDTHS = [80, 120, 200]


def forecast(name: str, first: float = 0.23) -> Power:
    found = {look: first * 5 / look for look in LOOKS}
    return Power(name, 1024, 21, Spreads(0.05, 0.2, 0.4, 29), found, {look: 66.0 * look / 5 for look in LOOKS})


def printed(planned: list[PlannedCell], forecasts: list[Power], width: int) -> str:
    out = io.StringIO()
    show_plan_tables(planned, forecasts, "0 of 6 cells are done", out, width)
    assert max(map(len, out.getvalue().splitlines())) <= width
    return out.getvalue()


def planned_in(rewards: list[str], why: str = "") -> list[PlannedCell]:
    grid = cells(load("quick", Changes(keys=(("rewards", rewards),))), seeds=(0,))
    return [PlannedCell(cell, "missing", why) for cell in grid]


@pytest.mark.parametrize("width", WIDTHS)
def test_power_is_a_table_of_looks(width: int) -> None:
    name = "organism-steps.chain-4.rlvr.exact.f748b7"
    lines = printed(planned_in(["exact"]), [forecast(name)], width).splitlines()
    head = next(place for place, line in enumerate(lines) if "found difference" in line)
    assert [line.split()[-3:] for line in lines[head + 1 : head + 5]] == [
        ["5", "23.0", "1.1"],
        ["10", "11.5", "2.2"],
        ["20", "5.8", "4.4"],
        ["40", "2.9", "8.8"],
    ]
    assert lines[head + 1].startswith(name)
    assert "One of 3 points needs 40 seeds." in " ".join(" ".join(lines).split())


def test_of_more_than_three_comparisons_there_is_a_line_each_and_one_table_of_power() -> None:
    rewards = ["exact", "format", "length", "incorrect"]
    text = printed(
        planned_in(rewards, "not here"), [forecast(f"c{place}", 0.1 + place / 100) for place in range(4)], 80
    )
    assert text.count("3 missing") == 4 and "4 of 4 comparisons: not here" in text
    assert text.count("found difference") == 1 and "10.0 to 13.0" in text and "4 comparisons" in text


def test_a_reason_that_all_methods_share_is_said_once() -> None:
    assert printed(planned_in(["exact"], "its trials first"), [], 80).count("its trials first") == 1


def test_a_comparison_without_past_methods_says_that_nothing_is_known() -> None:
    unknown = Power("x", 1024, 3, None, {}, dict.fromkeys(LOOKS))
    assert "not known" in printed(planned_in(["exact"]), [unknown], 80)
    assert "Of 1 comparisons more" in " ".join(printed(planned_in(["exact"]), [unknown, forecast("y")], 80).split())


def test_a_task_at_its_defaults_has_its_default_test_problems() -> None:
    cell: Cell = cells(load("quick", Changes(task="sums")), seeds=(0,))[0]
    assert [each.problems for each in power([cell], [])] == [512]


def test_a_long_name_keeps_its_hash() -> None:
    assert short_name("a" * 80 + ".exact.f748b7").endswith(".exact.f748b7")
    assert len(short_name("a" * 80 + ".f748b7")) == 42


def values(changes: Changes) -> dict[str, ResolvedValue]:
    return {each.key: each for each in resolved_values("quick", changes)}


def test_every_value_says_where_it_comes_from() -> None:
    found = values(Changes("organism-direct", "sums", (("signal.steps", 3), ("methods.lora.rank", 4))))
    assert found["signal.steps"][1:] == (3, "command line", 40)
    assert found["methods.lora.rank"][1:] == (4, "command line", 8)
    assert found["base.name"][1:] == ("organism-direct", "command line", "organism-steps")
    assert found["task.levels"][1:] == (None, "default", [4])
    assert found["signal.max_new_tokens"][1:] == (48, "experiment file", None)
    assert found["methods.lora.alpha"][2] == found["signal.group_size"][2] == "default"
    assert found["seeds"][1:] == ((0, 1), "experiment file", None)
    (seeds, *_) = resolved_values("quick", Changes(), seeds=(7,), only="lora")
    assert seeds[1:] == ((7,), "command line", [0, 1])


def test_every_setting_of_a_cell_is_among_them() -> None:
    found, cell = values(Changes()), cells(load("quick"))[0]
    resolved = cell.model_dump(mode="json")
    for table in ("signal", "evaluate", "measurements"):
        for key, value in resolved[table].items():
            assert found[f"{table}.{key}"].value == value
    assert found["methods.full.learning_rate"].value == cell.learning_rate


def test_an_axis_of_several_is_numbered() -> None:
    found = {each.key: each for each in resolved_values("signals", Changes(keys=(("signal.steps", 3),)))}
    assert found["signals.1.steps"].origin == "command line"
    assert found["bases.0.name"].origin == "experiment file"


@pytest.mark.parametrize("width", WIDTHS)
def test_settings_fit_and_what_was_changed_stands_first(width: int) -> None:
    out = io.StringIO()
    show_settings(resolved_values("quick", Changes(keys=(("signal.steps", 3),))), out, width)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert lines[1].split() == ["signal.steps", "3", "(in", "the", "file", "40)", "command", "line"]
    assert "signal.updates_per_batch" in out.getvalue() and "organism-steps" in out.getvalue()


def test_what_an_organism_leaves_to_the_defaults_is_shown_with_the_value_of_the_file() -> None:
    found = {each.key: each for each in resolved_values("smollm2", Changes("organism-steps", "chain"))}
    assert found["signal.max_new_tokens"][1:] == (64, "default", 16)
