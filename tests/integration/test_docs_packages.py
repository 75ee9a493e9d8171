"""The packages that pages of the documentation show: installed as they stand there, tested, and used in a run."""

import csv
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from docs_files import titled_blocks


def _write_files(page: str, folder: Path) -> None:
    """Write every block of a page that has a title to the path that the title is."""
    for path, text in titled_blocks(page).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _run(*command: str | Path, where: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Return a fresh environment's Python, which has this environment's packages beside its own."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    own = sysconfig.get_path("purelib")
    (site / "dependencies.pth").write_text(f"import site; site.addsitedir({own!r})\n")
    return folder / "bin" / "python"


def _install(python: Path, package: Path) -> None:
    options = ("--quiet", "--no-deps", "--no-build-isolation")
    _run(sys.executable, "-m", "pip", "--python", python, "install", *options, package, where=package)


def test_a_package_with_a_method_a_reward_and_a_task(python: Path, tmp_path: Path) -> None:
    _write_files("your-method.md", tmp_path)
    package = tmp_path / "my-lab"
    _install(python, package)
    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "tests")
    assert re.search(r"(\d+) passed", _run(python, *tests, where=package))
    _run(python, "-m", "rlvr_bench", "run", "experiment.toml", "--results", "mine", where=package)
    with (package / "mine" / "leaderboard-all.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] != "base"]
    assert {row["method"] for row in rows} == {"norm-gains", "lora"}
    assert {(row["task"], row["reward"].split()[0]) for row in rows} == {("largest-number", "short-answer")}
