"""`rlvr-bench new`: each package installs as it was written, and its own tests pass beside the installed harness."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlvr_bench.cli.main import app
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.plugins.starters import STARTERS


def _new(*words: str) -> Any:
    return CliRunner().invoke(app, ["new", *words])


@pytest.mark.parametrize("kind", STARTERS)
def test_a_new_package_installs_and_its_tests_pass(kind: str, tmp_path: Path) -> None:
    folder, target = tmp_path / "rings-of-saturn", tmp_path / "site"
    assert _new(kind, str(folder)).exit_code == 0
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--target", str(target))
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(folder)], check=True, capture_output=True)
    paths = [str(target), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "tests"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout + done.stderr
    assert "my_plugin" not in "".join(path.read_text() for path in folder.rglob("*.py"))


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("")
    assert "is there and not empty" in str(_new("task", str(tmp_path / "there")).exception)
    refused = _new("task", str(tmp_path / "1st"))
    assert isinstance(refused.exception, ExperimentError) and "begin it with a letter" in str(refused.exception)
