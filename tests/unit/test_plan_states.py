"""What a plan says of a cell whose settings changed since its record was written."""

from record_factory import record

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.plan.states import PlannedCell, by_comparison, in_runs, plan, whole_comparisons


def one() -> Cell:
    return next(cell for cell in cells(load("quick"), seeds=(0,)) if cell.method_name == "lora")


def recorded(cell: Cell, **changes: object) -> object:
    before = cell.model_dump(mode="json") | changes
    return record("lora").model_copy(update={"cell": before, "cell_id": "0" * 12})


def test_a_changed_setting_is_named_with_both_values() -> None:
    cell = one()
    (entry,) = plan([cell], [recorded(cell, learning_rate=0.5)])
    assert (entry.state, entry.why) == ("stale", f"learning_rate 0.5 -> {cell.learning_rate}")


def test_a_setting_that_is_newer_than_the_record_is_not_named_as_changed() -> None:
    cell = one()
    older = recorded(cell, learning_rate=0.5)
    del older.cell["method_fingerprints"], older.cell["signal"]["match"]
    (entry,) = plan([cell], [older])
    assert entry.why == f"learning_rate 0.5 -> {cell.learning_rate}"


def test_a_record_that_no_longer_parses_is_compared_as_it_stands() -> None:
    cell = one()
    (entry,) = plan([cell], [recorded(cell, learning_rate=0.5, invented="x")])
    assert "learning_rate 0.5" in entry.why and "invented x -> None" in entry.why


def test_the_rates_of_a_method_are_one_line() -> None:
    cell = one()
    tried = [cell.model_copy(update={"method_name": f"lora@{rate:g}", "learning_rate": rate}) for rate in (0.1, 0.2)]
    planned = [PlannedCell(tried[0], "done"), PlannedCell(tried[1], "failed", "no memory")]
    ((line,),) = by_comparison(planned).values()
    assert line == {
        "method": "lora",
        "learning_rate": "2 rates",
        "seeds": "0",
        "state": "1 done, 1 failed",
        "why": "no memory",
        "targets": "",
    }
    ((line,),) = by_comparison(
        [PlannedCell(cell, "waiting", "trials first"), PlannedCell(cell, "stale", "x 1 -> 2")]
    ).values()
    assert line["learning_rate"] == str(cell.learning_rate) and line["why"] == "2 reasons, such as trials first"


def test_a_stale_cell_names_some_of_what_changed_and_a_failed_one_its_whole_sentence() -> None:
    cell, changed = one(), "a 1 -> 2, b 1 -> 2, c 1 -> 2, d 1 -> 2, e 1 -> 2"
    assert PlannedCell(cell, "stale", changed).brief == "a 1 -> 2, b 1 -> 2, c 1 -> 2 and 2 more"
    assert PlannedCell(cell, "failed", changed).brief == changed


def test_a_comparison_is_one_line_over_all_its_methods() -> None:
    grid = cells(load("quick"))
    (line,) = whole_comparisons([PlannedCell(cell, "missing") for cell in grid])
    assert (line["methods"], line["seeds"], line["state"]) == (3, "0,1", "6 missing")


def test_three_numbers_in_a_row_and_more_are_a_run() -> None:
    assert in_runs([3, 100, 0, 1, 2, 7, 8, 101, 102]) == "0-3,7,8,100-102"
    assert in_runs([]) == ""
