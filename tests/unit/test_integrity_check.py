"""`results check`: a sound folder has no fault, and each thing that can be wrong is found and named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.integrity.check import check
from rlvr_bench.integrity.run import run_faults
from rlvr_bench.leaderboard.file import ALL_FILE, LEADERBOARD_FILE, contents
from rlvr_bench.leaderboard.standings import leaderboard
from rlvr_bench.record import store
from rlvr_bench.record.pack import pack
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.studies.check import findings_faults

COMMITTED = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods of the committed default preset, with their leaderboard."""
    folder = tmp_path_factory.mktemp("sound") / "results"
    comparison = cells(load("default"))[0].comparison
    reader = store.StepReader(COMMITTED)
    for record in store.read_packed(store.packed_file(COMMITTED, comparison)):
        if isinstance(record, RunRecord) and record.keys.method_name in ("full", "lora"):
            store.write_run(folder, record, reader.steps(record))
    renew(folder)
    return folder


@pytest.fixture
def results(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sound folder that a test may change, and a cache of its own."""
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(sound, tmp_path / "results"))


def renew(results: Path) -> None:
    records, _ = store.load_all(results)
    for name, content in contents([standing.row for standing in leaderboard(records)]).items():
        (results / name).write_text(content)


def first_run(results: Path) -> Path:
    return min(results.glob(f"runs/*/*/*/{store.RUN_FILE}"))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_sound_folder_has_no_fault(results: Path) -> None:
    assert check(results).faults == []
    done = CliRunner().invoke(app, ["results", "check", "--results", str(results)])
    assert done.exit_code == 0 and done.output.strip().endswith("sound")


def test_a_hand_edited_leaderboard_is_caught_with_its_place(results: Path) -> None:
    path = results / LEADERBOARD_FILE
    lines = path.read_text().splitlines(keepends=True)
    accuracy = lines[1].split(",")[7]
    path.write_text("".join([lines[0], lines[1].replace(accuracy, "0.9999", 1), *lines[2:]]))
    (fault,) = check(results).faults
    assert f"line 2, column accuracy: is '0.9999', the records give '{accuracy}'" in fault
    done = CliRunner().invoke(app, ["results", "check", "--results", str(results)])
    assert done.exit_code == 1 and fault in done.output


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text + text.splitlines()[-1] + "\n", "line 5: is one too many, the records give 3 rows"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "line 4: is missing, the records give 3 rows"),
        (lambda text: text.replace("comparison,", "group,", 1), "line 1, column comparison: is 'group'"),
        (lambda text: text.replace("\n", "\r\n"), "differs in its line ends or quotes only"),
    ],
)
def test_any_other_byte_of_the_leaderboard_counts(results: Path, change: Callable[[str], str], complaint: str) -> None:
    path = results / LEADERBOARD_FILE
    path.write_bytes(change(path.read_text()).encode())
    (fault,) = check(results).faults
    assert complaint in fault


def test_a_missing_leaderboard_is_a_fault(results: Path) -> None:
    (results / LEADERBOARD_FILE).unlink()
    assert "make it with rlvr-bench leaderboard" in check(results).faults[0]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda run: run["cell"].update(learning_rate=0.5), "its settings give cell id"),
        (lambda run: run["cell"]["signal"].update(steps=81), "its settings give a comparison that ends with"),
        (lambda run: run["cell"]["method"].update(colour="red"), "its settings are not those of this version"),
        (lambda run: run.update(status="collapsed"), "stability.collapse_rule says otherwise"),
        (lambda run: run["attestation"].update(problems=["too many tensors"]), 'failed ("too many tensors")'),
        (lambda run: run["stability"].update(reward_last=0.99), "its steps give reward_last"),
        (lambda run: run["cost"].update(tokens=1), "run.json 1"),
        (
            lambda run: run["accuracy"]["tuned"]["chain"]["test"].update(greedy=0.99),
            "does not follow from its outcomes",
        ),
    ],
)
def test_an_edited_record_is_caught(results: Path, change: Callable[[dict[str, Any]], object], complaint: str) -> None:
    path = first_run(results)
    edit(path, change)
    renew(results)
    faults = check(results).faults
    assert any(complaint in fault and str(path.parent) in fault for fault in faults), faults
    assert all("\n" not in fault for fault in faults)


def test_another_seed_is_caught_after_a_sound_record_of_the_same_settings(results: Path) -> None:
    record, reader = store.load_all(results)[0][0], store.StepReader(results)
    assert run_faults(results, record, reader) == []
    other = record.model_copy(update={"cell": record.cell | {"seed": record.keys.seed + 100}})
    assert any("its settings give cell id" in fault for fault in run_faults(results, other, reader))


def test_an_edited_step_and_a_lost_step_are_caught(results: Path) -> None:
    path = first_run(results).with_name(store.STEPS_FILE)
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]) + "\n")
    assert any("its steps give steps 79, run.json says 80" in fault for fault in check(results).faults)
    path.write_text("\n".join([*lines[:-1], lines[-1][:40]]) + "\n")
    assert any("line 80" in fault for fault in check(results).faults)


def test_nan_is_caught_and_the_word_in_a_text_is_not(results: Path) -> None:
    path = first_run(results)
    edit(path, lambda run: run.update(cause={"type": "X", "message": "loss is NaN", "fix": "", "tail": []}))
    renew(results)
    assert not [fault for fault in check(results).faults if "not valid JSON" in fault]
    edit(path, lambda run: run["cost"]["seconds"].update(load=float("nan")))
    renew(results)
    assert [fault for fault in check(results).faults if str(path) in fault and "not valid JSON" in fault]


def test_a_record_in_another_place_is_caught(results: Path) -> None:
    folder = first_run(results).parent
    shutil.copytree(folder, results / "runs" / "deep" / "a" / "b" / "c")
    folder.rename(folder.with_name("seed-9-aaaaaaaaaaaa"))
    faults = check(results).faults
    assert any("its content belongs in" in fault for fault in faults)
    assert any("records lie in runs/<comparison>/<method>/" in fault for fault in faults)


def packed_results(results: Path) -> Path:
    """Pack a folder and check it once, so that what was found of it is in the cache."""
    pack(results)
    assert check(results).faults == []
    (path,) = store.packed_files(results)
    return path


def test_a_packed_file_is_looked_through_once_and_again_when_a_byte_changes(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed_results(results)
    looked = list[str]()
    monkeypatch.setattr("rlvr_bench.integrity.check.run_faults", lambda *_: looked.append("once") or [])
    assert check(results).faults == [] and not looked
    path.write_text(path.read_text().replace('"tokens":', '"tokens": ', 1))
    check(results)
    assert looked


def test_an_edit_after_a_check_is_found(results: Path) -> None:
    path = packed_results(results)
    sound = path.read_text()
    lines = sound.splitlines()
    place = next(number for number, line in enumerate(lines) if '"cell_id"' in line)
    document = json.loads(lines[place])
    document["cost"]["tokens"] += 1
    path.write_text("\n".join([*lines[:place], json.dumps(document), *lines[place + 1 :]]) + "\n")
    assert any("tokens" in fault for fault in check(results).faults)
    steps = next(path.parent.glob(f"*{store.PACKED_STEPS}"))
    path.write_text(sound)
    steps.unlink()
    assert any("digest does not fit" in fault for fault in check(results).faults)


def test_nothing_is_kept_where_the_code_of_others_has_a_say(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed_results(results)
    looked = list[str]()
    monkeypatch.setattr("rlvr_bench.integrity.check.run_faults", lambda *_: looked.append("once") or [])
    point = EntryPoint("mine", "other_package:Mine", "rlvr_bench.methods")
    monkeypatch.setattr("rlvr_bench.integrity.check.plugin_entries", lambda group: {"mine": (point,)})
    check(results)
    assert looked


def test_a_report_shows_the_leaderboard_beside_it_or_is_a_fault(results: Path) -> None:
    page, digest = results / "report.html", hashlib.sha256((results / ALL_FILE).read_bytes()).hexdigest()
    page.write_text(f'<meta name="leaderboard-sha256" content="{digest}">')
    assert check(results).faults == []
    page.write_text(f'<meta name="leaderboard-sha256" content="{"0" * 64}">')
    assert "shows another leaderboard" in check(results).faults[0]
    page.write_text("<html>")
    assert "does not say which leaderboard" in check(results).faults[0]


def test_a_folder_without_records_is_bad_input(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["results", "check", "--results", str(tmp_path)])
    assert "holds no run records" in str(done.exception)


def test_findings_are_what_the_records_give_or_a_fault(results: Path) -> None:
    done = CliRunner().invoke(app, ["findings", "--results", str(results)])
    assert done.exit_code == 0 and check(results, (findings_faults,)).faults == []
    page = results / "findings.md"
    page.write_text(page.read_text().replace("undecided", "supported", 1))
    (fault,) = check(results, (findings_faults,)).faults
    assert str(page) in fault and "rlvr-bench findings" in fault
