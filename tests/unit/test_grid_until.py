"""What `run --until` still asks for, from a table's rows."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from record_factory import ENVIRONMENT, score

from rlvr_bench.cli.options import seconds_of
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.grid.until import due_look, final_seeds, goal_of, open_rows, until
from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.sweep.phases import Phases
from rlvr_bench.sweep.protocol_trials import Selection


def row(method: str, letters: str | None, best: str = "no", equivalent: str | None = None) -> Row:
    return {"method": method, "rank_group": letters, "may_be_best": best, "equivalent_to": equivalent}


TABLE = [
    row("lora", "a", "yes", "dora"),
    row("dora", "ab", "yes", "lora"),
    row("full", "b"),
    row("sgd", "c"),
    row("base", "d"),
    row("dead", None),
]


def test_rows_that_share_a_letter_are_open_unless_equivalent() -> None:
    assert [one["method"] for one in open_rows(TABLE, goal_of("separated"))] == ["dora", "full"]


def test_the_best_is_open_while_rows_that_may_be_it_are_neither_separated_nor_equivalent() -> None:
    assert open_rows(TABLE, goal_of("best")) == []
    doubtful = [*TABLE, row("ia3", "ab", "yes")]
    assert [one["method"] for one in open_rows(doubtful, goal_of("best"))] == ["lora", "dora", "ia3"]


def test_a_row_is_open_against_the_base_and_the_base_needs_no_seeds() -> None:
    assert [one["method"] for one in open_rows([row("lora", "a"), row("base", "a")], goal_of("separated"))] == ["lora"]


def test_letters_beyond_z_are_letters_of_their_own() -> None:
    assert open_rows([row("lora", "a1"), row("full", "b1")], goal_of("separated")) == []


@pytest.mark.parametrize(
    ("counts", "last", "due"),
    [({"a": 5, "b": 5}, 40, 10), ({"a": 5, "b": 10}, 40, 10), ({"a": 10, "b": 10}, 10, None), ({"a": 40}, 40, None),
     ({"a": 7}, 40, 10), ({}, 40, None), ({"a": 20}, 20, None)],
)  # fmt: skip
def test_those_with_the_fewest_seeds_go_on_first(counts: dict[str, int], last: int, due: int | None) -> None:
    assert due_look(counts, last) == due


def test_further_seeds_follow_the_largest_and_leave_out_those_of_trials() -> None:
    assert final_seeds((3, 1), {4, 6}, 6) == (3, 1, 5, 7, 8, 9)
    assert final_seeds(tuple(range(7)), (), 5) == tuple(range(7))


@pytest.mark.parametrize("text", ["look:7", "look", "all", "look:"])
def test_another_goal_is_refused(text: str) -> None:
    with pytest.raises(ExperimentError, match="separated, best, or look:N with N one of 5, 10, 20, 40"):
        goal_of(text)


@pytest.mark.parametrize(("text", "seconds"), [("2h", 7200), ("90m", 5400), ("1h30m", 5400), ("45s", 45)])
def test_a_budget_is_a_length_of_time(text: str, seconds: float) -> None:
    assert seconds_of("--budget", text) == seconds


@pytest.mark.parametrize("text", ["2", "h", "", "0m", "2 hours", "-1h"])
def test_another_budget_is_refused(text: str) -> None:
    with pytest.raises(ExperimentError, match=r"--budget .*: write a length of time such as 2h"):
        seconds_of("--budget", text)


CHANCES = {"full": 0.50, "lora": 0.54, "dora": 0.85}
"""Per problem; of full and lora too near to be separated at the first look, and not equivalent."""


def final_record(cell: Cell) -> RunRecord:
    generator = np.random.default_rng([cell.seed, len(cell.method_name), ord(cell.method_name[0])])
    chance = float(np.clip(CHANCES[cell.method_name] + 0.04 * generator.standard_normal(), 0, 1))
    tuned = "".join(str(int(hit)) for hit in generator.random(400) < chance)
    base = "".join(str(int(hit)) for hit in np.random.default_rng(1).random(400) < 0.1)
    return RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status="done",
        accuracy={role: {"chain": {"test": score(text)}} for role, text in (("base", base), ("tuned", tuned))},
        environment=ENVIRONMENT,
    )


def asked_for(
    goal: str, records: list[RunRecord], tmp_path: Path, said: list[str] | None = None
) -> list[dict[str, int]]:
    """Run to a goal; return for each stage how many cells of each method it asked for that had no record.

    Args:
        said: gets the remarks of the stages.
    """
    experiment = Experiment.model_validate(
        {
            "name": "looks",
            "seeds": [0, 1, 2],
            "bases": ["organism-steps"],
            "task": {"name": "chain", "levels": [2], "train": 64, "validation": 4, "test": 4},
            "signal": {"steps": 3},
            "methods": {name: {"learning_rate": 1e-3} for name in CHANCES},
        }
    )
    stages = []
    for stage in until(Phases(experiment, Selection()), goal_of(goal), tmp_path):
        there = {record.cell_id for record in records}
        asked = stage(records)
        new = [cell for cell in asked.cells if cell.id not in there]
        if said is not None:
            said += asked.remarks
        records += [final_record(cell) for cell in new]
        stages.append(dict(Counter(cell.method_name for cell in new)))
    return [stage for stage in stages if stage]


def test_seeds_go_where_rows_are_open_and_stop_at_the_look_asked_for(tmp_path: Path) -> None:
    records: list[RunRecord] = []
    assert asked_for("look:10", records, tmp_path) == [{"full": 5, "lora": 5, "dora": 5}, {"full": 5, "lora": 5}]
    assert asked_for("best", records, tmp_path) == []  # dora is
    on = asked_for("separated", records[:-3], tmp_path)  # as after a kill: three cells are missing
    assert sum(on[0].values()) == 3
    assert all(set(stage) <= {"full", "lora"} for stage in on)


def test_what_is_open_is_said_at_every_look(tmp_path: Path) -> None:
    said: list[str] = []
    asked_for("look:10", [], tmp_path, said)
    told = [remark.partition(": ")[2] for remark in said]
    assert told[0] == "2 rows leave open how any two rows compare; on to look 10"
    assert told[1] == "2 rows leave open how any two rows compare; all have 10 seeds, the last look of this run"


def test_a_method_of_two_rows_asks_for_its_cells_once(tmp_path: Path) -> None:
    records: list[RunRecord] = []
    asked_for("look:5", records, tmp_path)
    for place, record in enumerate(records):
        if record.keys.method_name == "lora":  # as a version wrote it that did not have the field
            method = {key: value for key, value in record.cell["method"].items() if key != "rslora"}
            records[place] = record.model_copy(update={"cell": record.cell | {"method": method}})
    assert asked_for("look:10", records, tmp_path)[0] == {"full": 5, "lora": 5}
    assert asked_for("look:20", records, tmp_path)[0] == {"full": 10, "lora": 10}
