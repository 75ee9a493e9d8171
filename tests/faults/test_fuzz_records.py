"""Damaged records: each costs only itself, and nothing but a sentence comes of it."""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest
from damage import DEEP, HUGE, SURROGATE, TWICE, UNDEFINED, damaged_json
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from injection import STRIDE
from record_factory import record

from rlvr_bench.cli.entry import main
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.integrity.check import check
from rlvr_bench.leaderboard.file import contents
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.plan.states import as_document, by_comparison, plan
from rlvr_bench.record import store
from rlvr_bench.record.documents import parse_object
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.pack import pack
from rlvr_bench.report.material import gather
from rlvr_bench.report.page import render
from rlvr_bench.studies.check import findings_faults
from rlvr_bench.studies.claim import load_claims
from rlvr_bench.studies.derive import judge_all
from rlvr_bench.studies.evidence import gather as evidence

DATA = Path(__file__).parents[1] / "data" / "records-v1"
DOCUMENTS: list[dict[str, Any]] = [
    *(json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))),
    record("lora").model_dump(mode="json"),
]
FUZZ = settings(
    max_examples=6000 if STRIDE else 250,
    deadline=None,
    derandomize=not STRIDE,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two sound records of one comparison."""
    folder = tmp_path_factory.mktemp("results")
    for seed in (7, 8):
        store.write_run(folder, record("dora", seed), [])
    return folder


PLANNED = cells(load("quick"), fetch=False)
CLAIMS = load_claims(None)


def _read_everything(results: Path) -> list[str]:
    """Do what the verbs do with a folder; return what is said of records that cannot be read."""
    records, problems = store.load_all(results)
    assert {(7, "dora"), (8, "dora")} <= {(found.keys.seed, found.keys.method_name) for found in records}
    if problems:  # nothing of the damaged record is left: the verbs see two sound records
        return [str(problem) for problem in problems]
    contents([standing.row for standing in leaderboard(records)])
    planned = plan(PLANNED, records)
    as_document(planned, 2, records)
    by_comparison(planned)
    render(gather(results))
    check(results, (findings_faults,))
    judge_all(CLAIMS, evidence(results))
    return []


@FUZZ
@given(SEEDS)
def test_a_damaged_folder_costs_only_itself(results: Path, seed: int) -> None:
    random = Random(seed)
    content = damaged_json(random, random.choice(DOCUMENTS))
    place = results / "runs" / "damaged" / "lora" / "seed-0-x"
    with suppress(RecordError, ValueError):  # else the folder stays a made-up one
        place = store.folder_of(results, store.record_of(parse_object(content), "here"))
    place.mkdir(parents=True)
    try:
        (place / store.RUN_FILE).write_bytes(content)
        for problem in _read_everything(results):
            assert str(place) in problem and "\n" not in problem, problem
    finally:
        shutil.rmtree(place)


@FUZZ
@given(SEEDS)
def test_a_damaged_line_costs_only_itself(results: Path, seed: int) -> None:
    random = Random(seed)
    content = damaged_json(random, random.choice(DOCUMENTS))
    packed = results / "records" / "damaged.jsonl"
    packed.parent.mkdir(exist_ok=True)
    try:
        packed.write_bytes(b'{"shared":"none","value":1}\n' + content + b"\n")
        for problem in _read_everything(results):
            assert f"{packed}, line 2" in problem and "\n" not in problem, problem
    finally:
        packed.unlink()


def _run(*arguments: str | Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["rlvr-bench", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def _with(written: str) -> str:
    text = json.dumps(record("lora").model_dump(mode="json"))
    return text.replace('"learning_rate": 0.001', f'"learning_rate": {written}')


CASES: dict[str, Any] = {
    "deep": lambda path: path.write_text(_with(DEEP)),
    "huge": lambda path: path.write_text(_with(HUGE)),
    "surrogate": lambda path: path.write_text(_with(SURROGATE)),
    "twice": lambda path: path.write_text(_with(TWICE)),
    "undefined": lambda path: path.write_text(_with(UNDEFINED)),
    "type": lambda path: path.write_text(_with('"fast"')),
    "list": lambda path: path.write_text("[]"),
    "empty": lambda path: path.write_text(""),
    "binary": lambda path: path.write_bytes(b"\xff\xfe\x00"),
    "pipe": os.mkfifo,
    "folder": lambda path: path.mkdir(),
    "device": lambda path: path.symlink_to("/dev/zero"),
    "link": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("case", CASES)
def test_every_verb_goes_on_names_the_file_and_exits_1(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = record("dora")
    store.write_run(tmp_path, sound, [])
    path = store.folder_of(tmp_path, record("lora")) / store.RUN_FILE
    path.parent.mkdir(parents=True)
    CASES[case](path)
    for verb in (("leaderboard",), ("leaderboard", "--write"), ("report",), ("plan", "quick"), ("results", "check")):
        code = _run(*verb, "--results", tmp_path, monkeypatch=monkeypatch)
        said = capsys.readouterr()
        assert code == 1, (verb, said)
        assert str(path) in said.err + said.out and "internal error" not in said.err, (verb, said.err)
    assert _run("findings", "--results", tmp_path, monkeypatch=monkeypatch) == 2
    assert str(path) in capsys.readouterr().err
    assert "dora" in (tmp_path / "leaderboard-all.csv").read_text()


@pytest.mark.parametrize("suffix", [store.PACKED, store.PACKED_STEPS])
@pytest.mark.parametrize("case", ["pipe", "folder", "device", "link", "binary"])
def test_a_packed_comparison_that_is_no_file_costs_only_itself(
    suffix: str, case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store.write_run(tmp_path, record("dora"), [])
    pack(tmp_path)
    store.write_run(tmp_path, record("full", problems="others").model_copy(update={"comparison": "another"}), [])
    packed = next((tmp_path / "records").glob(f"*{store.PACKED}"))
    broken = packed.with_name(packed.name.removesuffix(store.PACKED) + suffix)
    broken.unlink(missing_ok=True)
    CASES[case](broken)
    codes = {_run(*verb, "--results", tmp_path, monkeypatch=monkeypatch) for verb in (("leaderboard",), ("report",))}
    said = capsys.readouterr()
    assert "internal error" not in said.err
    if suffix == store.PACKED:
        assert codes == {1} and str(broken) in said.err
    assert _run("results", "check", "--results", tmp_path, monkeypatch=monkeypatch) == 1
    assert case == "link" or str(broken) in capsys.readouterr().out
