"""A digest is the same for a folder and a packed line, and every single change of a record or its steps is named."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from record_factory import record
from report_folder import everything, steps

from rlvr_bench.integrity.check import check
from rlvr_bench.record import pack, store
from rlvr_bench.record.digest import changed_parts, digest_of
from rlvr_bench.record.schema import StepRecord, StoredSamples

OWN = [
    StepRecord(step=1, reward=0.1 + 0.2, tokens=7, loss=-0.0, **{"strategy/worked": 1 / 3}),  # type: ignore[arg-type]
    StepRecord(step=2, kl=1e-9, non_finite=True),
]


def _written(results: Path) -> Path:
    samples = StoredSamples(rows=2, sha256="ab" * 32)
    one = record("lora", 0).model_copy(update={"samples": samples})
    return store.write_run(results, one, OWN)


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def _faults(results: Path) -> list[str]:
    return [fault for fault in check(results).faults if "digest" in fault]


def test_the_digest_of_a_folder_is_that_of_its_packed_line(tmp_path: Path) -> None:
    for place, one in enumerate(everything()):
        store.write_run(tmp_path, one, steps(shift=place) if one.stability else [])
    before = [one.digest for one in store.load_all(tmp_path)[0]]
    assert pack.pack(tmp_path).cells == len(before)
    records, reader = store.load_all(tmp_path)[0], store.StepReader(tmp_path)
    assert None not in before and [one.digest for one in records] == before
    assert [changed_parts(one, reader.steps(one)) for one in records] == [[] for _ in before]


def test_steps_with_metrics_of_few_steps_keep_their_digest(tmp_path: Path) -> None:
    _written(tmp_path)
    store.write_run(tmp_path, record("lora", 1), [OWN[1].model_copy(update={"step": 1})])
    pack.pack(tmp_path)
    reader = store.StepReader(tmp_path)
    for one in store.load_all(tmp_path)[0]:
        assert changed_parts(one, reader.steps(one)) == []


def _greedy(document: dict[str, Any]) -> None:
    score = document["accuracy"]["tuned"]["chain"]["test"]
    score["greedy_outcomes"] = "1" * score["n"]
    score["greedy"] = 1.0


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (_greedy, "accuracy"),
        (lambda one: one["attestation"].update(trainable_parameters=1001), "attestation"),
        (lambda one: one["attestation"].update(frozen_hash_after="f" * 64), "attestation"),
        (lambda one: one["measurements"]["geometry"].update(sparsity_bf16=0.7500001), "measurements"),
        (lambda one: one["cost"].update(peak_memory_bytes=1), "cost"),
        (lambda one: one["environment"].update(float32_products="blas"), "environment"),
        (lambda one: one["samples"].update(rows=3), "samples"),
        (lambda one: one["cell"].update(seed_of_nothing=1), "cell"),
        (lambda one: one["digest"].update(sha256="0" * 64), "digest"),
        (lambda one: one["digest"]["parts"].update(accuracy="00000000"), "accuracy"),
    ],
)
def test_one_edit_is_named_by_its_part(tmp_path: Path, change: Callable[[dict[str, Any]], object], part: str) -> None:
    path = _written(tmp_path)
    assert _faults(tmp_path) == []
    _edit(path, change)
    (fault,) = _faults(tmp_path)
    assert f"{path}: {part} changed since it was written: the digest does not fit; restore the file" in fault


@pytest.mark.parametrize("packed", [False, True])
def test_a_cell_in_the_folder_of_another_method_is_named(tmp_path: Path, packed: bool) -> None:
    path = _written(tmp_path)
    moved = path.parent.parent.with_name("dora") / path.parent.name
    moved.parent.mkdir()
    path.parent.rename(moved)
    assert any("its content belongs in" in fault for fault in check(tmp_path).faults)
    _edit(moved / store.RUN_FILE, lambda one: one["cell"].update(method_name="dora"))
    if packed:
        pack.pack(tmp_path)
    (fault,) = _faults(tmp_path)
    assert "cell changed since it was written" in fault


def test_an_edited_step_and_a_lost_one_are_named(tmp_path: Path) -> None:
    steps_file = _written(tmp_path).with_name(store.STEPS_FILE)
    lines = steps_file.read_text()
    for edited in (lines.replace("1e-09", "2e-09"), lines.splitlines()[0] + "\n"):
        assert edited != lines
        steps_file.write_text(edited)
        assert ["steps changed since" in fault for fault in _faults(tmp_path)] == [True]


def test_an_edit_of_a_packed_line_is_named_with_its_cell(tmp_path: Path) -> None:
    _written(tmp_path)
    pack.pack(tmp_path)
    (file,) = (tmp_path / "records").glob("*.jsonl")
    file.write_text(file.read_text().replace('"trainable_parameters":1000', '"trainable_parameters":1001'))
    (fault,) = _faults(tmp_path)
    assert f"{file}, cell {record('lora', 0).cell_id}: attestation changed since it was written" in fault


def test_a_key_that_stands_twice_is_named_in_either_form(tmp_path: Path) -> None:
    path = _written(tmp_path)
    pack.pack(tmp_path)
    (file,) = (tmp_path / "records").glob("*.jsonl")
    file.write_text(file.read_text().replace('"status":"done"', '"status":"failed","status":"done"'))
    assert any(f"{file}, line 1: " in fault and "'status' is there twice" in fault for fault in check(tmp_path).faults)
    path = _written(tmp_path)
    path.write_text(path.read_text().replace('"status": "done"', '"status": "failed", "status": "done"'))
    assert any(f"{path}: " in fault and "'status' is there twice" in fault for fault in check(tmp_path).faults)


def test_a_record_from_before_has_no_digest_and_is_counted(tmp_path: Path) -> None:
    path = _written(tmp_path)
    _edit(path, lambda one: (one.pop("digest"), one["cell"].update(result_schema=2)))
    checked = check(tmp_path)
    assert (checked.records, checked.without_digest) == (1, 1) and _faults(tmp_path) == []


def test_a_cell_that_is_run_again_while_its_folder_is_checked_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _written(tmp_path)
    before = own.read_text()
    again = store.read_run(own).model_copy(update={"trainable_parameters": 7})
    store.write_run(tmp_path, again, [*OWN, StepRecord(step=3)])
    after = own.read_text()
    own.write_text(before)  # as a reader finds it between the two files of the second run
    monkeypatch.setattr(time, "sleep", lambda seconds: own.write_text(after))
    assert _faults(tmp_path) == []
    own.write_text(before)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    (fault,) = _faults(tmp_path)
    assert "steps changed since it was written" in fault


def test_samples_beside_a_record_are_those_of_its_run(tmp_path: Path) -> None:
    path = _written(tmp_path)
    path.with_name("samples.parquet").write_bytes(b"others")
    assert any("samples.parquet beside it is not the file of its run" in fault for fault in check(tmp_path).faults)


def test_writing_a_changed_record_again_renews_its_digest(tmp_path: Path) -> None:
    one = store.read_run(_written(tmp_path))
    again = store.read_run(store.write_run(tmp_path, one.model_copy(update={"samples": None}), OWN))
    assert again.digest != one.digest and again.digest == digest_of(again, OWN)
