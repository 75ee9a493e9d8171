"""`rlvr-bench run --launcher ray` on a cluster of this machine: the same records, and what becomes of a dying cell."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from launch_fixture import command, environment, run, save_tiny_base, write_experiment

pytest.importorskip("ray", reason="needs the extra rlvr-bench[ray]; tox -e ray installs it")

OPTIONS = ("--launcher", "ray", "--cpus", "0.5", "--only", "lora")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ray")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"))


def _records(results: Path) -> dict[str, dict]:  # type: ignore[type-arg]
    return {path.parent.name: json.loads(path.read_text()) for path in (results / "runs").glob("*/*/*/run.json")}


def test_cells_on_ray_give_the_records_of_this_machine(experiment: Path, tmp_path: Path) -> None:
    here = run(tmp_path / "cache-1", "run", experiment, "--results", tmp_path / "here", "--only", "lora")
    there = run(tmp_path / "cache-2", "run", experiment, "--results", tmp_path / "there", "--workers", "2", *OPTIONS)
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    one, other = _records(tmp_path / "here"), _records(tmp_path / "there")
    assert one.keys() == other.keys() and len(one) == 2
    for name, record in one.items():
        assert other[name]["accuracy"] == record["accuracy"]
        assert (tmp_path / "cache-2" / "cells" / record["cell_id"] / "samples.parquet").exists()
    again = run(tmp_path / "cache-2", "run", experiment, "--results", tmp_path / "there", *OPTIONS)
    assert "0 cells to run, 2 already" in again.stderr


def test_an_error_in_a_cell_is_its_record(experiment: Path, tmp_path: Path) -> None:
    changed = ("--set", "signal.max_new_tokens=200", "--seeds", "0")
    done = run(tmp_path / "cache", "run", experiment, "--results", tmp_path / "results", *OPTIONS, *changed)
    assert done.returncode == 1, done.stderr
    (record,) = _records(tmp_path / "results").values()
    assert record["status"] == "failed" and "lower max_new_tokens" in record["cause"]["message"]
    assert any(line.startswith("ValueError") for line in record["cause"]["tail"])


def test_a_killed_cell_is_a_record_and_runs_again(experiment: Path, tmp_path: Path) -> None:
    arguments = ("run", experiment, "--results", tmp_path / "results", *OPTIONS, "--seeds", "0")
    process = _start(tmp_path, *arguments)
    _cell_of(process).kill()
    _, says = process.communicate(timeout=900)
    assert process.returncode == 1, says
    (record,) = _records(tmp_path / "results").values()
    assert (record["status"], record["cause"]["type"]) == ("failed", "WorkerCrashedError")
    assert run(tmp_path / "cache", *arguments).returncode == 0
    assert [record["status"] for record in _records(tmp_path / "results").values()] == ["done"]


def test_ctrl_c_ends_the_cells(experiment: Path, tmp_path: Path) -> None:
    process = _start(tmp_path, "run", experiment, "--results", tmp_path / "results", *OPTIONS, "--seeds", "0")
    cell = _cell_of(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    _, says = process.communicate(timeout=900)
    assert process.returncode == 130, says
    assert "Traceback" not in says and not _records(tmp_path / "results")
    psutil.wait_procs([cell], timeout=900)
    assert not cell.is_running()


def _start(folder: Path, *arguments: str | Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command(*arguments), env=environment(folder / "cache"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def _cell_of(process: "subprocess.Popen[str]") -> psutil.Process:
    """The process of the one running cell; at most 900 s."""
    end = time.monotonic() + 900
    while time.monotonic() < end and process.poll() is None:
        for child in psutil.Process(process.pid).children(recursive=True):
            if child.is_running() and "ray::_result" in " ".join(_words(child)):
                return child
        time.sleep(0.1)
    raise AssertionError(f"no cell was started: {process.poll()}")


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
