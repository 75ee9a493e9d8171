"""Records edited by hand, one thing at a time: `results check` names each."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from record_factory import record

from rlvr_bench.integrity.check import check
from rlvr_bench.record import store
from rlvr_bench.record.digest import SINCE_RESULT_SCHEMA
from rlvr_bench.record.pack import pack
from rlvr_bench.record.schema import StepRecord, StoredSamples

STEPS = [StepRecord(step=number, reward=0.1 * number, kl=0.01) for number in range(1, 5)]
Document = dict[str, Any]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two seeds of two methods."""
    for method in ("lora", "dora"):
        for seed in (0, 1):
            samples = StoredSamples(rows=2, sha256="ab" * 32)
            made = record(method, seed)
            cell = made.cell | {"result_schema": SINCE_RESULT_SCHEMA}
            store.write_run(tmp_path, made.model_copy(update={"samples": samples, "cell": cell}), STEPS)
    return tmp_path


def _files(results: Path, name: str = store.RUN_FILE) -> list[Path]:
    return sorted(results.glob(f"runs/*/*/*/{name}"))


def _said(results: Path) -> set[str]:
    """Return what is said of any record: made-up ones have faults of their own, which do not count under a new path."""
    return {re.sub(r"^\S+(, cell \w+)?: ", "", fault) for fault in check(results).faults}


def _edited(change: Callable[[Document], object]) -> Callable[[Path], object]:
    def edit(results: Path) -> None:
        path = _files(results)[0]
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    return edit


def _swapped_outcomes(results: Path) -> None:
    first, second = _files(results)[0], _files(results)[-1]
    one, other = json.loads(first.read_text()), json.loads(second.read_text())
    one["accuracy"], other["accuracy"] = other["accuracy"], one["accuracy"]
    first.write_text(json.dumps(one))
    second.write_text(json.dumps(other))


def _swapped_steps(results: Path) -> None:
    path = _files(results, store.STEPS_FILE)[0]
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n")


def _of_another_seed(results: Path) -> None:
    first, second = _files(results)[:2]
    document = json.loads(first.read_text())
    other = json.loads(second.read_text())
    other["accuracy"] = document["accuracy"]
    other["digest"] = document["digest"]
    second.write_text(json.dumps(other))


def _copied_under_another_method(results: Path) -> None:
    folder = _files(results)[-1].parent
    copy = folder.parent.with_name("pissa") / folder.name
    shutil.copytree(folder, copy)
    document = json.loads((copy / store.RUN_FILE).read_text())
    document["cell"]["method_name"] = "pissa"
    (copy / store.RUN_FILE).write_text(json.dumps(document))


def _copied_under_another_seed(results: Path) -> None:
    folder = _files(results)[0].parent
    copy = folder.with_name(folder.name.replace("seed-0", "seed-7"))
    shutil.copytree(folder, copy)
    document = json.loads((copy / store.RUN_FILE).read_text())
    document["cell"]["seed"] = 7
    (copy / store.RUN_FILE).write_text(json.dumps(document))


def _text(old: str, new: str, name: str = store.RUN_FILE) -> Callable[[Path], object]:
    def edit(results: Path) -> None:
        path = _files(results, name)[0]
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return edit


EDITS: dict[str, Callable[[Path], object]] = {
    "outcomes of two records swapped": _swapped_outcomes,
    "scores and digest of another seed": _of_another_seed,
    "another commit": _edited(lambda one: one["environment"].update(commit="b" * 40)),
    "another processor": _edited(lambda one: one["environment"].update(cpu="Fast CPU")),
    "another torch": _edited(lambda one: one["environment"]["packages"].update(torch="9.9")),
    "fewer seconds": _edited(lambda one: one["cost"]["seconds"].update(train=1.0)),
    "fewer tokens": _edited(lambda one: one["cost"].update(tokens=1)),
    "another seed": _edited(lambda one: one["cell"].update(seed=3)),
    "another learning rate": _edited(lambda one: one["cell"].update(learning_rate=0.5)),
    "another task": _edited(lambda one: one["cell"]["task"].update(levels=[1])),
    "another hash of the problems": _edited(
        lambda one: one["accuracy"]["base"]["chain"]["test"].update(problems_hash="0" * 16)
    ),
    "a better baseline removed": _edited(lambda one: one["accuracy"].pop("base")),
    "no longer a failure of attestation": _edited(lambda one: one["attestation"].update(total_parameters=1)),
    "another status": _edited(lambda one: one.update(status="collapsed")),
    "another cell id": _edited(lambda one: one.update(cell_id="0" * 12)),
    "another rollout backend": _edited(lambda one: one["rollout"].update(backend="hf")),
    "samples of another run": _edited(lambda one: one["samples"].update(sha256="cd" * 32)),
    "the digest removed": _edited(lambda one: one.update(digest=None)),
    "the digest and the schema removed": _edited(lambda one: (one.pop("digest"), one["cell"].pop("result_schema"))),
    "an unknown key": _edited(lambda one: one.update(note="better")),
    "an unknown key of the cell": _edited(lambda one: one["cell"].update(note="better")),
    "rescored by nobody": _edited(lambda one: one.update(rescored={"verifier": "x"})),
    "a schema version": _edited(lambda one: one.update(result_schema=2)),
    "spikes": _edited(lambda one: one["stability"].update(gradient_spikes=9)),
    "a duplicate key": _text('"status": "done"', '"status": "done", "status": "done"'),
    "not a number": _text('"tokens": 5000', '"tokens": NaN'),
    "a truncated record": lambda results: _files(results)[0].write_bytes(_files(results)[0].read_bytes()[:-40]),
    "steps out of order": _swapped_steps,
    "a truncated step": lambda results: (path := _files(results, store.STEPS_FILE)[0]).write_bytes(
        path.read_bytes()[:-9]
    ),
    "no steps": lambda results: _files(results, store.STEPS_FILE)[0].unlink(),
    "a step twice": lambda results: (path := _files(results, store.STEPS_FILE)[0]).write_text(path.read_text() * 2),
    "a duplicate key in a step": _text('"step":1', '"step":1,"step":1', store.STEPS_FILE),
    "a record copied under another method": _copied_under_another_method,
    "a record copied under another seed": _copied_under_another_seed,
}


@pytest.mark.parametrize("edit", EDITS)
def test_every_edit_of_a_record_is_named_by_results_check(edit: str, results: Path) -> None:
    before = _said(results)
    EDITS[edit](results)
    assert _said(results) - before, edit


PACKED = {
    "tokens": ('"tokens":5000', '"tokens":1'),
    "status": ('"status":"done"', '"status":"invalid"'),
    "a duplicate key": ('"seed":0', '"seed":1,"seed":0'),
    "a learning rate": ('"learning_rate":0.001', '"learning_rate":0.002'),
    "the digest": ('"sha256":"', '"sha256":"0'),
}


@pytest.mark.parametrize("edit", PACKED)
def test_every_edit_of_a_packed_line_is_named_by_results_check(edit: str, results: Path) -> None:
    pack(results)
    before = _said(results)
    (path,) = (results / store.RECORDS_FOLDER).glob(f"*{store.PACKED}")
    old, new = PACKED[edit]
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    assert _said(results) - before, edit


LOST: dict[str, Callable[[Path], object]] = {
    "all lines": lambda path: path.write_text(""),
    "the file of records": lambda path: path.unlink(),
    "the file of steps": lambda path: path.with_name(path.name.replace(store.PACKED, store.PACKED_STEPS)).unlink(),
    "the records, for those of another comparison": lambda path: path.rename(path.with_name(f"other{store.PACKED}")),
}


@pytest.mark.parametrize("lost", LOST)
def test_what_a_comparison_loses_whole_is_named_by_results_check(lost: str, results: Path) -> None:
    pack(results)
    before = _said(results)
    (path,) = (results / store.RECORDS_FOLDER).glob(f"*{store.PACKED}")
    LOST[lost](path)
    assert _said(results) - before, lost


def test_packing_again_removes_the_files_of_no_cell(results: Path) -> None:
    pack(results)
    (path,) = (results / store.RECORDS_FOLDER).glob(f"*{store.PACKED}")
    path.write_text("")
    pack(results, again=True)
    assert list((results / store.RECORDS_FOLDER).iterdir()) == []


def test_a_packed_line_lost_or_doubled_is_named_by_results_check(results: Path) -> None:
    pack(results)
    before = _said(results)
    (path,) = (results / store.RECORDS_FOLDER).glob(f"*{store.PACKED}")
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[-1] + "\n")
    assert _said(results) - before
    path.write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    assert _said(results) - before
