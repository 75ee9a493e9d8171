import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.leftovers import sweep, temporary_file, temporary_folder, temporary_folder_beside
from rlvr_bench.record.lock import results_lock

KILLED = """
import os, sys
from pathlib import Path
from rlvr_bench.record.leftovers import temporary_file, temporary_folder, temporary_folder_beside
folder = Path(sys.argv[1])
with temporary_file(folder / "a.json"), temporary_folder_beside(folder / "model") as model, temporary_folder() as run:
    (model / "weights").write_text("x")
    (run / "log").write_text("x")
    print("ready", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "subprocess.Popen[str]":
    """A process that has temporary files in `files` and a folder in `tmp`."""
    for name in ("files", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "files")],
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def test_what_is_in_use_stays_and_what_a_killed_process_left_goes(
    tmp_path: Path, maker: "subprocess.Popen[str]"
) -> None:
    files, temporary = tmp_path / "files", tmp_path / "tmp"
    (temporary / "rlvr-bench-of-mine").mkdir()
    (files / ".hidden").write_text("mine")
    sweep(files)
    with temporary_folder():
        pass
    assert len(list(files.iterdir())) == 3 and len(list(temporary.iterdir())) == 2
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    sweep(files)
    with temporary_folder():
        assert len(list(temporary.iterdir())) == 2
    assert [path.name for path in files.iterdir()] == [".hidden"]
    assert [path.name for path in temporary.iterdir()] == ["rlvr-bench-of-mine"]


def test_a_lock_on_results_sweeps_them_and_the_cache(
    tmp_path: Path, maker: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    maker.kill()
    maker.communicate()
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "files"))
    left = tmp_path / "results" / "runs" / ".run.json.x.tmp"
    write_whole(left, "half")
    with results_lock(tmp_path / "results"):
        assert list((tmp_path / "files").iterdir()) == [] and not left.exists()


def test_links_and_pipes_of_that_name_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("x")
    (tmp_path / ".link.tmp").symlink_to(tmp_path / "kept")
    sweep(tmp_path)
    assert (tmp_path / "kept").read_text() == "x" and (tmp_path / ".link.tmp").is_symlink()


def test_nothing_is_left_by_whoever_ends_in_order(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "a") as file, temporary_folder_beside(tmp_path / "b") as folder:
        assert file.is_file() and folder.is_dir()
        folder.rename(tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
