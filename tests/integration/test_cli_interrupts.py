"""Ctrl-C at any moment, and outputs that take nothing: one sentence at most, and no traceback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from launch_fixture import command, environment, save_tiny_base, write_experiment

MOMENTS = (0.1, 0.3, 0.8, 2.0, 5.0)
"""Seconds after the start at which Ctrl-C comes; on a busy machine the same moment is an earlier place."""


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=400)


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_a_run_with_a_sentence(experiment: Path, tmp_path: Path, moment: float, times: int) -> None:
    process = subprocess.Popen(
        command("run", experiment, "--results", tmp_path / "results", "--workers", "1"),
        env=environment(tmp_path / "cache"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a terminal sends Ctrl-C to the whole group
    )
    until = time.monotonic() + moment
    while not Path(f"/proc/{process.pid}/task/{process.pid}/stat").exists() or not _handles_interrupts(process.pid):
        time.sleep(0.01)  # before that, the interpreter itself is not up
    time.sleep(max(until - time.monotonic(), 0))
    for _ in range(times):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    out, err = process.communicate(timeout=900)
    assert "Traceback" not in out + err and "KeyboardInterrupt" not in out + err, err
    assert process.returncode == 130, err
    assert "interrupted" in err or "stopped: " in err


def test_ctrl_c_in_an_import_ends_the_process_at_once(tmp_path: Path) -> None:
    # raised into an extension module's callback, it would end the process with that module's abort()
    interrupt = "os.kill(os.getpid(), signal.SIGINT)"
    module = f"import os, signal\ntry:\n    {interrupt}\nexcept BaseException:\n    print('raised')\n"
    (tmp_path / "interrupted_import.py").write_text(module)
    code = (
        "import signal; from rlvr_bench.cli.entry import _Interrupts; signal.signal(signal.SIGINT, _Interrupts());"
        "import interrupted_import; print('went on')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "rlvr-bench: interrupted\n")


def test_a_plugin_that_never_ends_its_import_is_named_and_ctrl_c_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("import time\nwhile True:\n    time.sleep(0.01)\n")
    metadata = tmp_path / "endless-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: endless\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[rlvr_bench.methods]\nforever = endless:Method\n")
    code = (
        "import sys; from rlvr_bench.plugins import importing; importing.PATIENCE = 0.1;"
        "from rlvr_bench.cli.entry import main; sys.argv = ['rlvr-bench', 'methods', 'list']; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(tmp_path / "cache", tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    plugin = "plug-in method 'forever' (endless:Method)"
    assert process.stderr.readline() == (
        f"rlvr-bench: still importing {plugin}; wait, or press Ctrl-C and uninstall it\n"
    )
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=900)[1]
    assert (process.returncode, said) == (
        130,
        f"rlvr-bench: interrupted while importing {plugin}; mend or uninstall it\n",
    )


def _handles_interrupts(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGINT - 1) & 1)


def _run(*words: str, cwd: Path, **streams: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "rlvr_bench", *words], cwd=cwd, text=True, timeout=900, check=False, **streams
    )  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("words", [["methods", "list"], ["methods", "list", "--json"], ["presets", "show", "quick"]])
def test_a_reader_that_went_away_ends_it_quietly(words: list[str], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = _run(*words, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert done.stderr == "" and done.returncode in (0, 1)


@pytest.mark.parametrize("words", [["methods", "list"], ["methods", "list", "--json"], ["presets", "show", "quick"]])
def test_a_full_disk_behind_the_output_is_one_sentence(words: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = _run(*words, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1 and done.stderr.startswith("rlvr-bench: cannot write the output (No space left")
    assert done.stderr.count("\n") == 1


def test_closed_streams_are_no_error(tmp_path: Path) -> None:
    words = f"exec {sys.executable} -m rlvr_bench methods list >&- 2>&- <&-"
    assert subprocess.run(["bash", "-c", words], cwd=tmp_path, timeout=900, check=False).returncode == 0
