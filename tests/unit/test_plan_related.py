"""Which comparisons a plan reads: its own, and the nearest others."""

from pathlib import Path

import pytest
from record_factory import record

from rlvr_bench.cli.plan import _needs
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.plan import related
from rlvr_bench.record import compact, pack, store
from rlvr_bench.sweep.phases import plan_phases
from rlvr_bench.sweep.protocol_trials import Selection


def write(results: Path, comparison: str) -> None:
    made = record("lora").model_copy(update={"comparison": comparison})
    path = store.packed_file(results, comparison)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(compact.lines_of([pack.packed_document(made)]))


def test_its_own_and_the_nearest_titles_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = cells(load("quick"), seeds=(0,))
    own, title = grid[0].comparison, grid[0].comparison_title
    same, near, far = f"{title}.aaaaaa", f"{title.rpartition('.')[0]}.random.aaaaaa", "another.task.sft.exact.aaaaaa"
    for name in (own, same, near, far):
        write(tmp_path, name)
    monkeypatch.setattr(related, "MOST_OTHERS", 2)
    wanted = related.related(tmp_path, grid)
    assert [name for name in (own, same, near, far) if wanted(name)] == [own, same, near]
    assert {one.comparison for one in store.load_all(tmp_path, wanted)[0]} == {own, same, near}
    assert {one.comparison for one in plan_phases(load("quick"), Selection(), tmp_path).records} == {own, same, near}


def test_a_damaged_comparison_is_named_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = cells(load("quick"), seeds=(0,))
    for name in (grid[0].comparison, "another.task.sft.exact.aaaaaa"):
        store.packed_file(tmp_path, name).parent.mkdir(exist_ok=True)
        store.packed_file(tmp_path, name).write_text("{")
    assert len(plan_phases(load("quick"), Selection(), tmp_path).problems) == 2
    monkeypatch.setattr(related, "MOST_OTHERS", 0)
    (problem,) = plan_phases(load("quick"), Selection(), tmp_path).problems
    assert grid[0].comparison in problem


def test_a_claim_is_planned_by_all_records_and_names_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "a.task.sft.exact.aaaaaa")
    store.packed_file(tmp_path, "b.task.sft.exact.aaaaaa").write_text("{")
    monkeypatch.setattr("rlvr_bench.studies.derive.verdicts", lambda _: [])
    monkeypatch.setattr("rlvr_bench.studies.power.claim_power", lambda claim, _, records: [claim, *records])
    needs = _needs(["W8"], tmp_path, [])
    assert len(needs) == 2 and "b.task.sft.exact.aaaaaa" in "".join(capsys.readouterr())
    (_, (problem,)) = store.load_all(tmp_path)
    assert _needs(["W8"], tmp_path, [str(problem)]) == needs and not "".join(capsys.readouterr())


def test_a_folder_without_records_has_none(tmp_path: Path) -> None:
    assert store.load_all(tmp_path, related.related(tmp_path, cells(load("quick")))) == ([], [])
