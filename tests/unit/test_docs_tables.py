"""The derived pages of the documentation are what the code gives."""

import re
import tomllib
from pathlib import Path

import pytest

from rlvr_bench.cli.docs_picture import imports, needed, rooms
from rlvr_bench.cli.docs_tables import pages
from rlvr_bench.experiment.experiment import load, presets
from rlvr_bench.experiment.grid import cells
from rlvr_bench.studies.presets import TIMES, all_presets, cell_count
from rlvr_bench.sweep.protocol_trials import Selection, tuning_studies
from rlvr_bench.sweep.winner import decide

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_committed_page_is_what_the_code_gives(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run python -m rlvr_bench.cli.docs_tables"


def test_the_picture_has_the_rooms_in_an_order_that_import_linter_allows() -> None:
    tables = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [each["layers"] for each in tables["tool"]["importlinter"]["contracts"] if each["type"] == "layers"]
    level = {room.strip(): place for place, layer in enumerate(layers) for room in layer.split("|")}
    assert rooms().keys() == level.keys()
    order = [*rooms()]
    for room, others in imports().items():
        assert all(level[room] < level[other] for other in others)
        assert all(order.index(room) < order.index(other) for other in others)
    for room, others in needed(imports()).items():
        assert set(others) <= imports()[room]


def test_what_other_imports_imply_is_left_out_of_the_picture() -> None:
    found = {"a": frozenset("bc"), "b": frozenset("c"), "c": frozenset[str]()}
    assert needed(found) == {"a": ["b"], "b": ["c"], "c": []}


def test_every_key_of_an_experiment_has_a_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*\| *(\S*)[^|]*\|$", pages()["experiment.md"], re.MULTILINE)
    assert len(rows) > 60
    assert not [key for key, meaning in rows if not meaning]


def test_every_preset_has_a_time_and_every_time_a_preset() -> None:
    assert TIMES.keys() == presets().keys()
    studies = {row.name: row.study for row in all_presets()}
    assert (studies["quick"], studies["gates"], studies["passk"]) == ("core", "gates", "signals")


@pytest.mark.parametrize(
    "name", ["quick", "default", "signals", "transfer", "gates-pissa", "gates-heads", "probe-rollouts"]
)
def test_cells_are_counted_as_they_are_resolved(name: str) -> None:
    experiment = load(name)
    assert cell_count(experiment) == len(cells(experiment))


def test_trials_of_a_protocol_are_counted() -> None:
    experiment = load("reference")
    assert experiment.protocol is not None
    held = tuning_studies(experiment, experiment.protocol, Selection())
    waiting = [decide(study, experiment.protocol, {}) for study in held]
    trials = sum(len(decision.cells) + len(decision.later) for decision in waiting)
    assert cell_count(experiment) == trials + len(held) * len(experiment.seeds)
