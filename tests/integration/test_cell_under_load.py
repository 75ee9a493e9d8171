"""The same cell beside two busy loops and alone: the same steps and outcomes, bit for bit."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from launch_fixture import run, save_tiny_base, write_experiment

from rlvr_bench.record import store


def _run(experiment: Path, folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run one cell; return its steps and its scores, both as they are on the disk but for what is measured."""
    arguments = ("--only", "lora", "--seeds", "0", "--workers", "1")
    done = run(folder / "cache", "run", experiment, "--results", folder / "results", *arguments)
    assert done.returncode == 0, done.stderr
    (record,), reader = store.load_all(folder / "results")[0], store.StepReader(folder / "results")
    steps = [step.model_dump(mode="json") for step in reader.steps(record)]
    computed = [{name: value for name, value in step.items() if not _is_measured(name)} for step in steps]
    return computed, record.model_dump(mode="json")["accuracy"]


def _is_measured(name: str) -> bool:
    return "seconds" in name or name == "peak_memory_bytes"


def test_a_cell_gives_the_same_bits_under_load_and_idle(tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, save_tiny_base(tmp_path / "tiny-base"))
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        loaded = _run(experiment, tmp_path / "loaded")
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert loaded == _run(experiment, tmp_path / "idle")
    assert len(loaded[0]) == 3
