"""Plug-ins that end, crash or never end when they are imported: each is named and costs only itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.plugins import studies, trial
from rlvr_bench.plugins.file import PluginError, forget, use
from rlvr_bench.plugins.registry import plugin_entries

GROUPS = ("methods", "tasks", "rewards")
HOSTILE = {
    "exits": ("import os; os._exit(0)", "it ends the process, by exit code 0"),
    "fails": ("import os; os._exit(7)", "it ends the process, by exit code 7"),
    "crashes": ("import ctypes; ctypes.string_at(0)", "it ends the process, by SIGSEGV"),
    "kills": ("import os; os.kill(os.getpid(), 9)", "it ends the process, by SIGKILL"),
    "leaves": ("raise SystemExit('bye')", "SystemExit: bye"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "odd": ("class Odd(BaseException): pass\nraise Odd('so')", "Odd: so"),
    "asks": ("input()", "EOFError"),
    "runs": ("while True: pass", "it takes more than 1 s of processor time"),
    "sleeps": ("import time; time.sleep(1e6)", "it takes more than 2 s"),
    "escapes": ("raise ValueError('\\x1b[31m\\n' * 999)", "ValueError: "),
}


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    forget()
    yield
    forget()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up early in this process's name: a child reads the limit on processor time from its own module."""
    monkeypatch.setattr(trial, "SECONDS", 2.0)


def _module(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.py"
    path.write_text(f"{text}\n")
    return path


@pytest.mark.parametrize("name", [name for name in HOSTILE if name not in ("runs", "sleeps")])
def test_a_file_that_takes_its_process_along_is_a_sentence(name: str, tmp_path: Path) -> None:
    text, reason = HOSTILE[name]
    with pytest.raises(PluginError, match=rf"{name}\.py cannot be imported \({reason}.*\); mend it") as refused:
        use(_module(tmp_path, name, text))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 800
    assert f"rlvr_bench_plugin_{name}" not in sys.modules


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["runs", "sleeps"])
def test_an_import_that_never_ends_is_given_up(name: str, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="it takes more than 2 s"):
        use(_module(tmp_path, name, HOSTILE[name][0]))


def test_processor_time_is_limited_also_on_a_busy_machine(tmp_path: Path) -> None:
    code = "from rlvr_bench.plugins import trial; trial.PROCESSOR_SECONDS = 1; trial.answer('file', 'x', sys.argv[1])"
    path = _module(tmp_path, "runs", HOSTILE["runs"][0])
    done = subprocess.run([sys.executable, "-c", f"import sys; {code}", str(path)], check=False)
    assert trial._reason("", done.returncode) == f"it takes more than {trial.PROCESSOR_SECONDS} s of processor time"


def test_one_that_was_imported_once_is_not_tried_again_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_passed", set())
    log = tmp_path / "log"
    path = _module(tmp_path, "counted", f"import os\nopen({str(log)!r}, 'a').write('x')")

    def imports() -> int:
        before = len(log.read_text()) if log.exists() else 0
        forget()
        trial._passed.clear()  # as in a new process
        use(path)
        return len(log.read_text()) - before

    assert [imports(), imports(), imports()] == [2, 1, 1]
    path.write_text(path.read_text() + "# another content\n")
    assert [imports(), imports()] == [2, 1]


def test_a_refusal_is_not_remembered(tmp_path: Path) -> None:
    path = _module(tmp_path, "needy", f"open({str(tmp_path / 'needed')!r})")
    with pytest.raises(PluginError, match="FileNotFoundError"):
        use(path)
    (tmp_path / "needed").touch()
    assert use(path).path == path


def test_a_cache_that_cannot_be_written_costs_a_child_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert use(_module(tmp_path, "fine", "x = 1")).objects == {"x": 1}


def test_no_child_is_started_for_modules_of_this_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **options: pytest.fail("a child was started"))
    assert (
        trial.entry_refusal(EntryPoint("lora", "rlvr_bench.methods.low_rank.config:Lora", "rlvr_bench.methods")) is None
    )
    assert studies.broken_studies() == {}


def test_what_a_plugin_leaves_running_is_ended_with_its_child(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = f"import os, time\nif os.fork() == 0:\n open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(1e6)\n"
    path = _module(
        tmp_path, "forks", f"{child}while not (os.path.exists({str(note)!r}) and open({str(note)!r}).read()): pass"
    )
    assert trial.file_refusal("forks", path) is None
    pid = int(note.read_text())
    while (process := Path(f"/proc/{pid}/stat")).exists() and process.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.05)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hostile entry points of every kind that verbs list, and a study of each kind."""
    site = tmp_path / "site"
    (site / "bad-1.0.dist-info").mkdir(parents=True)
    names = ("exits", "crashes", "odd")
    for name in names:
        _module(site, f"bad_{name}", HOSTILE[name][0])
    lines = [f"[rlvr_bench.{group}]\n" + "".join(f"{n} = bad_{n}:thing\n" for n in names) for group in GROUPS]
    (site / "bad-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (site / "half_study").mkdir()
    (site / "half_study" / "__init__.py").touch()
    _module(site / "half_study", "analyses", HOSTILE["fails"][0])
    studied = "[rlvr_bench.studies]\nbad = bad_exits\nhalf = half_study\n"
    (site / "bad-1.0.dist-info" / "entry_points.txt").write_text("\n".join(lines) + studied)
    monkeypatch.syspath_prepend(str(site))
    plugin_entries.cache_clear()
    studies._found.cache_clear()
    yield
    plugin_entries.cache_clear()
    studies._found.cache_clear()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("group", GROUPS)
def test_a_listing_goes_on_without_them_names_them_and_fails(group: str) -> None:
    listed = CliRunner().invoke(app, [group, "list", "--json"])
    names = {row.get("name") or row["type"] for row in json.loads(listed.stdout)}
    assert listed.exit_code == 1 and len(names) > 5 and not names & set(HOSTILE)
    for name in ("exits", "crashes", "odd"):
        sentence = f"not listed: plug-in {group[:-1]} {name!r} (bad_{name}:thing) cannot be imported ("
        assert listed.stderr.count(sentence) == 1 and HOSTILE[name][1] in listed.stderr


@pytest.mark.usefixtures("installed")
def test_studies_go_on_without_them() -> None:
    from rlvr_bench.studies.claim import load_claims

    listed = CliRunner().invoke(app, ["presets", "list", "--json"])
    assert listed.exit_code == 1 and len(json.loads(listed.stdout)) > 5
    assert "study 'bad' (bad_exits) cannot be imported (it ends the process, by exit code 0)" in listed.stderr
    assert "study 'half' (half_study) cannot be imported (it ends the process, by exit code 7)" in listed.stderr
    assert load_claims()


@pytest.mark.usefixtures("installed")
def test_a_command_that_asks_for_nothing_of_them_imports_nothing_of_them() -> None:
    shown = CliRunner().invoke(app, ["methods", "show", "lora"])
    assert shown.exit_code == 0 and not Path(os.environ["RLVR_BENCH_CACHE"]).exists()
