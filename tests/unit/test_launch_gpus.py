"""Cells are dealt over the GPUs of a machine; what GPUs there are is told by the environment or a stand-in."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlvr_bench.launch import gpus


def test_each_cell_gets_the_least_busy_gpus() -> None:
    machine, running = ["a", "b", "c"], list[tuple[str, ...]]()
    for _ in range(4):
        running.append(gpus.assign(machine, running, 1))
    assert running == [("a",), ("b",), ("c",), ("a",)]
    running.remove(("b",))  # its cell has ended
    assert gpus.assign(machine, running, 1) == ("b",)


def test_a_cell_of_several_processes_gets_a_gpu_for_each() -> None:
    machine = ["0", "1", "2", "3"]
    assert gpus.assign(machine, [("0",)], 2) == ("1", "2")
    assert gpus.assign(machine, [("0",), ("1", "2")], 2) == ("3", "0")
    assert gpus.assign(["0"], [], 2) == ("0",)
    assert gpus.assign([], [], 2) == ()


def test_one_cell_a_gpu_runs_at_a_time_and_without_gpus_one_a_processor() -> None:
    assert gpus.places(["0", "1", "2", "3"], cores=64, processes=1) == 4
    assert gpus.places(["0", "1", "2", "3"], cores=64, processes=2) == 2
    assert gpus.places([], cores=8, processes=2) == 4
    assert gpus.places(["0"], cores=8, processes=2) == 1


def test_the_variable_says_which_gpus_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gpus.VARIABLE, "2, GPU-0a")
    assert gpus.visible() == ["2", "GPU-0a"]
    for nothing in ("", "-1"):
        monkeypatch.setenv(gpus.VARIABLE, nothing)
        assert gpus.visible() == []


@pytest.mark.parametrize(
    ("script", "expected"),
    [("echo GPU-0a; echo GPU-1b", ["GPU-0a", "GPU-1b"]), ("echo no driver is running; exit 9", [])],
)
def test_else_the_driver_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected: list[str]
) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.delenv(gpus.VARIABLE, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert gpus.visible() == expected


def test_a_cell_sees_its_own_gpus_alone() -> None:
    code = "import os; from rlvr_bench.launch import gpus; gpus.restrict(('3', '1')); gpus.restrict(()); "
    code += f"print(os.environ['{gpus.VARIABLE}'])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "3,1"
