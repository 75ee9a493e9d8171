"""The wheel beside hostile neighbours: packages called bench, methods and tasks, and the tests of another project."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
BUILT_FROM = ("bench", "methods", "tasks", "setup.py", "pyproject.toml", "README.md", "LICENSE")
NEIGHBOURS = ("bench", "methods", "tasks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that nothing is left in the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in BUILT_FROM:
        source, copy = CHECKOUT / name, folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    command = ("-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder))
    subprocess.run([sys.executable, *command, str(folder / "source")], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a fresh environment with this wheel, the neighbours, and this test's environment for the dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    target = ("--target", str(site), str(wheel))
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", *target], check=True)
    for name in NEIGHBOURS:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f'raise ImportError("this {name} is another package")\n')
    (site / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return folder


def _run(environment: Path, where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = environment / "bin" / "python"
    return subprocess.run([python, *arguments], cwd=where, env=variables, capture_output=True, text=True, check=False)


def test_wheel_holds_one_package_and_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"rlvr_bench"}
    for expected in (
        "rlvr_bench/py.typed",
        "rlvr_bench/presets/quick.toml",
        "rlvr_bench/studies/gates/claims.toml",
        "rlvr_bench/studies/gates/presets/gates.toml",
        "rlvr_bench/report/assets/page.html.j2",
        "rlvr_bench/models/organisms/weights/organism-steps/model.safetensors",
        "rlvr_bench/tasks/lm_eval/rlvr_bench_chain.yaml",
        "rlvr_bench/methods/conformance/suite.py",
    ):
        assert expected in names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("tests/", "results/"))]


def test_command_runs_beside_packages_of_the_folders_names(environment: Path, tmp_path: Path) -> None:
    for name in NEIGHBOURS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError\n")
    done = _run(environment, tmp_path, "-m", "rlvr_bench", "methods", "list", "--json")
    assert done.returncode == 0, done.stderr
    assert '"lora"' in done.stdout
    where = _run(environment, tmp_path, "-c", "import rlvr_bench; print(rlvr_bench.__file__)")
    assert where.stdout.startswith(str(environment))


def test_tests_of_an_unrelated_project_run_beside_it(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "__init__.py").write_text("VALUE = 1\n")
    (tmp_path / "test_theirs.py").write_text("from methods import VALUE\n\ndef test_it():\n    assert VALUE\n")
    done = _run(environment, tmp_path, "-m", "pytest", "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
