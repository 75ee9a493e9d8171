"""Packed records: what was written is read, a damaged line costs only itself, a crash loses nothing, no path stays."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from record_factory import record, without_digest
from report_folder import everything, steps
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.leaderboard.file import contents
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record import compact, pack, store
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.machine_paths import PATH_IN_TEXT, without_paths
from rlvr_bench.record.schema import Cause, RunRecord, StepRecord

RECORDS = [record("lora", seed) for seed in range(3)] + [record("lift", 0, status="failed")]
OWN = [StepRecord(step=1, reward=0.1 + 0.2, tokens=7, **{"strategy/worked": 1 / 3}), StepRecord(step=2, kl=1e-9)]


def write(results: Path, records: list[RunRecord] = RECORDS) -> None:
    for one in records:
        store.write_run(results, one, OWN if one.stability else [])


def folders(results: Path) -> list[Path]:
    return store.run_files(results)


def test_packed_records_and_steps_are_those_of_the_folders(tmp_path: Path) -> None:
    write(tmp_path)
    before, _ = store.load_all(tmp_path)
    done = pack.pack(tmp_path)
    assert (done.cells, done.comparisons, done.faults) == (4, 1, []) and not (tmp_path / "runs").exists()
    names = sorted(path.name for path in (tmp_path / "records").iterdir())
    assert names == [f"{before[0].comparison}.jsonl", f"{before[0].comparison}.steps.parquet"]
    after, problems = store.load_all(tmp_path)
    assert (after, problems) == (before, [])
    reader = store.StepReader(tmp_path)
    assert [reader.steps(one) for one in after] == [OWN if one.stability else [] for one in after]


def test_the_leaderboard_of_packed_records_is_the_same_to_the_byte(tmp_path: Path) -> None:
    for place, one in enumerate(everything()):
        store.write_run(tmp_path, one, steps(shift=place) if one.stability else [])
    rows = [[one.row for one in leaderboard(store.load_all(tmp_path)[0])]]
    pack.pack(tmp_path)
    rows.append([one.row for one in leaderboard(store.load_all(tmp_path)[0])])
    assert contents(rows[0]) == contents(rows[1])


def test_packing_twice_changes_nothing_and_new_cells_are_merged(tmp_path: Path) -> None:
    write(tmp_path, RECORDS[:2])
    pack.pack(tmp_path)
    (file, table) = sorted((tmp_path / "records").iterdir())
    content = file.read_bytes(), table.read_bytes()
    assert pack.pack(tmp_path).cells == 0 and (file.read_bytes(), table.read_bytes()) == content
    write(tmp_path, RECORDS[2:])
    assert len(store.load_all(tmp_path)[0]) == 4
    pack.pack(tmp_path)
    assert [one.cell_id for one in store.load_all(tmp_path)[0]] == [
        one.cell_id for one in sorted(RECORDS, key=lambda one: (one.keys.method_name, one.keys.seed))
    ]


def test_a_cell_that_is_run_again_takes_the_place_of_its_packed_line(tmp_path: Path) -> None:
    write(tmp_path, RECORDS[:2])
    pack.pack(tmp_path)
    again = RECORDS[0].model_copy(update={"status": "failed", "cause": Cause(type="Error", message="Broken.")})
    store.write_run(tmp_path, again, OWN[:1])
    for _ in range(2):
        (first, second), _ = store.load_all(tmp_path)
        assert (first.status, second.status) == ("failed", "done")
        assert store.StepReader(tmp_path).steps(first) == OWN[:1] and store.StepReader(tmp_path).steps(second) == OWN
        pack.pack(tmp_path)


def test_one_cell_is_found_in_either_form(tmp_path: Path) -> None:
    write(tmp_path, RECORDS[:1])
    name = {"comparison": RECORDS[0].comparison, "method": "lora", "seed": 0, "cell_id": RECORDS[0].cell_id}
    assert without_digest(store.read_cell(tmp_path, **name)) == RECORDS[0]
    pack.pack(tmp_path)
    assert without_digest(store.read_cell(tmp_path, **name)) == RECORDS[0]
    assert store.read_cell(tmp_path, **(name | {"cell_id": "0" * 12})) is None


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda line: line[:50], "EOF"),
        (lambda line: line.replace('"status":"done"', '"status":"good"'), "status"),
        (
            lambda line: line.replace('"greedy":0.', '"greedy":1.').replace('"=":"', '"=":"x'),
            "which no line above holds",
        ),
        (lambda line: line.replace('"schema_version":3', '"schema_version":7'), "schema_version is 7"),
        (lambda line: line.replace('"seed":2', '"seed":NaN'), "expected value"),
    ],
)
def test_a_damaged_line_costs_only_itself(tmp_path: Path, damage: Callable[[str], str], complaint: str) -> None:
    write(tmp_path, RECORDS[:3])
    pack.pack(tmp_path)
    (file,) = (tmp_path / "records").glob("*.jsonl")
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:-1], damage(lines[-1])]) + "\n")
    records, (problem,) = store.load_all(tmp_path)
    assert [one.keys.seed for one in records] == [0, 1]
    assert f"{file}, line {len(lines)}: " in str(problem) and complaint in str(problem) and "\n" not in str(problem)
    damaged = file.read_bytes()
    write(tmp_path, RECORDS[3:])
    done = pack.pack(tmp_path)  # the damaged line is not lost by packing into its file
    assert file.read_bytes() == damaged and len(folders(tmp_path)) == 1 and complaint in str(done.faults[0])


def test_a_damaged_table_of_steps_is_named(tmp_path: Path) -> None:
    write(tmp_path, RECORDS[:1])
    pack.pack(tmp_path)
    (table,) = (tmp_path / "records").glob("*.parquet")
    content = bytearray(table.read_bytes())
    content[40] ^= 0xFF
    table.write_bytes(content)
    with pytest.raises(RecordError, match=r"steps\.parquet: not a readable table of steps"):
        store.StepReader(tmp_path).steps(RECORDS[0])


def test_a_broken_folder_stays_and_the_rest_is_packed(tmp_path: Path) -> None:
    write(tmp_path)
    broken = folders(tmp_path)[0]
    broken.write_text("{")
    done = CliRunner().invoke(app, ["results", "pack", "--results", str(tmp_path)])
    assert done.exit_code == 1 and "3 cells of 1 comparisons packed" in done.output and folders(tmp_path) == [broken]


@pytest.mark.parametrize("last", ["write_steps", "write_whole", "_remove"])
def test_a_crash_between_leaves_both_forms_or_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    write(tmp_path)
    before, _ = store.load_all(tmp_path)

    def crash(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pack, last, crash)
    with pytest.raises(KeyboardInterrupt):
        pack.pack(tmp_path)
    assert len(folders(tmp_path)) == 4 and store.load_all(tmp_path) == (before, [])
    monkeypatch.undo()
    pack.pack(tmp_path)
    assert store.load_all(tmp_path) == (before, [])


def test_a_half_removed_folder_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, RECORDS[:1])
    before, _ = store.load_all(tmp_path)
    pack.pack(tmp_path)
    (store.folder_of(tmp_path, before[0])).mkdir(parents=True)
    (store.folder_of(tmp_path, before[0]) / store.STEPS_FILE).write_text("")
    assert store.load_all(tmp_path)[0] == before and store.StepReader(tmp_path).steps(before[0]) == OWN


def test_values_that_cells_share_are_written_once() -> None:
    documents = [pack.packed_document(one) for one in RECORDS[:3]]
    text = compact.lines_of(documents)
    base = RECORDS[0].accuracy["base"]["chain"]["test"].greedy_outcomes
    assert text.count(base) == 1 and text.count('"cpu"') == 1
    assert compact.lines_of(documents) == text


def with_paths() -> list[RunRecord]:
    """Return a record of each kind with a path wherever one was ever found."""
    found = []
    for status in ("done", "failed", "invalid", "collapsed"):
        one = record("mask", 0, status=status)  # type: ignore[arg-type]
        cell = one.cell | {
            "base": {"name": "/root/models/organism-direct"},
            "task": {"name": "file", "path": "/home/a b/problems.jsonl"},
            "method": {"type": "mask", "tuned": "/srv/runs/x/model.safetensors"},
            "method_fingerprints": ["3f2a1c9d8e7b6a5f"],
            "evaluate": {"prompt": "Think in <think>/</think>, a/b."},
        }
        cause = Cause(type="Error", message="no /tmp/a/b.txt; see https://x.org/a/b",
                      tail=['  File "/usr/lib/python3/x.py", line 1'])  # fmt: skip
        realised = {"realised": {"peft_config": {"base_model_name_or_path": "/work/x/weights/organism-direct"}}}
        masks = {"mask_sample": {"changed": {"q_proj": "/vb+/f/abc/"}}}
        changes = {"cell": cell, "cause": cause, "attestation": realised, "measurements": masks}
        found.append(one.model_copy(update=changes))
    return found


@pytest.mark.parametrize("one", with_paths(), ids=lambda one: str(one.status))
def test_no_record_holds_a_path_of_a_machine(tmp_path: Path, one: RunRecord) -> None:
    path = store.write_run(tmp_path, one, [])
    document = json.loads(path.read_text())
    assert document["measurements"].pop("mask_sample") == one.measurements["mask_sample"]
    assert PATH_IN_TEXT.search(json.dumps(document)) is None
    assert document["cell_id"] == one.cell_id and document["comparison"] == one.comparison
    assert document["cell"]["base"]["name"] == "organism-direct"
    assert document["cell"]["method"]["tuned"] == "model.safetensors#3f2a1c9d8e7b"
    assert document["cell"]["evaluate"] == one.cell["evaluate"]
    assert document["cause"]["message"] == "no b.txt; see https://x.org/a/b"
    assert document["cause"]["tail"] == ['  File "x.py", line 1']
    assert without_paths(document) == document


def test_packing_again_writes_an_older_form_in_todays(tmp_path: Path) -> None:
    write(tmp_path)
    before, _ = store.load_all(tmp_path)
    pack.pack(tmp_path)
    (file,) = store.packed_files(tmp_path)
    today = file.read_text(encoding="utf-8")
    file.write_text("".join(json.dumps(pack.packed_document(one)) + "\n" for one in before), encoding="utf-8")
    assert store.load_all(tmp_path) == (before, [])
    assert pack.pack(tmp_path).comparisons == 0 and pack.pack(tmp_path, again=True).comparisons == 1
    assert file.read_text(encoding="utf-8") == today


@pytest.mark.parametrize("left", [store.STEPS_FILE, None])
def test_what_a_killed_packing_left_of_a_folder_is_removed_by_the_next(left: str | None, tmp_path: Path) -> None:
    write(tmp_path)
    pack.pack(tmp_path)
    folder, other = (store.folder_of(tmp_path, one) for one in (RECORDS[0], record("dora", 5)))
    for each in (folder, other):
        each.mkdir(parents=True)
        if left is not None:
            (each / left).write_text("{}\n")  # that of `other` stays: its cell is not packed, its run may go on
    pack.pack(tmp_path)
    assert not folder.exists() and other.exists() == (left is not None)
