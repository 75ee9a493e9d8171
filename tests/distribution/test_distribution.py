"""The files of a release, left in dist/: what twine says, what they hold, and a first run where nothing else is.

`tox -e dist` runs this. The fresh environment takes its dependencies from the package index, as a user's does.
"""

import csv
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DIST = CHECKOUT / "dist"
FOLDERS = {"bench": "rlvr_bench", "methods": "rlvr_bench/methods", "tasks": "rlvr_bench/tasks"}
IGNORED = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info", "build", "dist", "results", "site", "tests")


def _run(*command: str | Path, where: Path = CHECKOUT) -> str:
    """Run a command and return what it wrote; the test fails with all of it where the command does."""
    done = subprocess.run([*map(str, command)], cwd=where, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Build both from a copy, so that nothing but dist/ is left in the checkout; return what the build said."""
    source = tmp_path_factory.mktemp("source") / "rlvr-bench"
    shutil.copytree(CHECKOUT, source, ignore=IGNORED)
    shutil.rmtree(DIST, ignore_errors=True)
    return _run(sys.executable, "-m", "build", "--outdir", DIST, source)


@pytest.fixture(scope="module")
def wheel(built: str) -> Path:
    (path,) = DIST.glob("*.whl")
    return path


def test_the_build_warns_of_nothing(built: str) -> None:
    assert "Warning" not in built


def test_the_index_would_show_them(wheel: Path) -> None:
    assert len([*DIST.iterdir()]) == 2
    assert _run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir()).count("PASSED") == 2


def test_the_wheel_which_is_made_of_the_sdist_holds_every_file(wheel: Path) -> None:
    expected = {
        f"{package}/{path.relative_to(CHECKOUT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == expected
    (archive,) = DIST.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "setup.py", "bench/presets/quick.toml"} <= names


def test_a_fresh_environment_runs_the_quick_preset(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "environment", with_pip=True)
    programs = tmp_path / "environment" / "bin"
    _run(programs / "python", "-m", "pip", "install", "--quiet", wheel)
    where = tmp_path / "elsewhere"
    for neighbour in FOLDERS:
        (where / neighbour).mkdir(parents=True)
        (where / neighbour / "__init__.py").write_text(f'raise ImportError("this {neighbour} is another package")\n')
    _run(programs / "rlvr-bench", "run", "quick", "--results", "mine", where=where)
    with (where / "mine" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] != "base"]
    assert len(rows) == 3 and all(row["accuracy"] for row in rows)
