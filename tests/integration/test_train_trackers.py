"""What TRL reports to a tracker outlives the cell, under a name that says which cell it was."""

from pathlib import Path

import pytest
from launch_fixture import run, save_tiny_base, write_experiment

pytest.importorskip("tensorboard", reason="needs the package tensorboard")


def test_tensorboard_files_are_kept_in_the_cache(tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, save_tiny_base(tmp_path / "tiny-base"))
    tracked = ("--only", "lora", "--seeds", "0", "--set", 'signal.report_to=["tensorboard"]')
    done = run(tmp_path / "cache", "run", experiment, "--results", tmp_path / "results", *tracked)
    assert done.returncode == 0, done.stderr
    (cell,) = (tmp_path / "results" / "runs").glob("*/*/*")
    assert list((tmp_path / "cache" / "cells" / cell.name.split("-")[-1] / "tensorboard").rglob("events.out*"))
