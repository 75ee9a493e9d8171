"""With what a cell runs: versions, processor, threads, commit. Recorded beside a result, never part of a cell's id.

Imports neither torch nor transformers: versions come from the installed metadata, the GPU from the driver.
"""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from rlvr_bench.record.schema import Environment

PACKAGES = (
    "rlvr-bench",
    "torch",
    "transformers",
    "trl",
    "peft",
    "accelerate",
    "datasets",
    "tokenizers",
    "safetensors",
    "lm-eval",
    "math-verify",
    "numpy",
    "optuna",
    "pydantic",
)
"""Distributions whose version may change a result."""

OWN_FILE = "bench/record/environment.py"
CODE = ("bench", "methods", "tasks", "pyproject.toml", "constraints.txt")


def capture(checkout: Path | None = None) -> Environment:
    """Return the environment of this process.

    Args:
        checkout: a folder that may lie in a git checkout; by default the one this package is in.
    """
    commit, dirty = checkout_state(checkout or Path(__file__).resolve().parent)
    return Environment(
        python=platform.python_version(),
        packages=installed(PACKAGES),
        cpu=cpu_model(),
        threads=_threads(),
        gpu=_gpu(),
        commit=commit,
        dirty=dirty,
        platform=platform.platform(),
    )


def checkout_state(folder: Path) -> tuple[str | None, bool | None]:
    """Return the commit that `folder` is checked out at, and whether code differs from it; None outside a checkout.

    A checkout of something else around this package (an environment inside another project) is not ours.
    """
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None or not _git(Path(top), "ls-files", OWN_FILE):
        return None, None
    commit = _git(Path(top), "rev-parse", "HEAD")
    if commit is None:
        return None, None
    # Records that a run adds under results/ do not make its code another.
    return commit, bool(_git(Path(top), "status", "--porcelain", "--", *CODE))


def installed(distributions: tuple[str, ...]) -> dict[str, str]:
    """Return the installed version of each distribution; those that are not installed are left out."""
    versions = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def changes(recorded: Environment, current: Environment) -> list[str]:
    """Return what differs between two environments that may change a result: "transformers 5.17 -> 5.23".

    This package's own version is left out: the cell id says when its code changes what settings lead to.
    """
    names = sorted((recorded.packages.keys() | current.packages.keys()) - {"rlvr-bench"})
    pairs = [(name, recorded.packages.get(name, "none"), current.packages.get(name, "none")) for name in names]
    pairs += [("python", recorded.python, current.python), ("gpu", recorded.gpu or "none", current.gpu or "none")]
    return [f"{name} {before} -> {after}" for name, before, after in pairs if before != after]


def cpu_model() -> str:
    """Return the name of the processor and how many of them there are."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.machine()} x {os.cpu_count()}"


def _threads() -> int | None:
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdecimal() else None


def _gpu() -> str | None:
    """Return the name of the first GPU as the NVIDIA driver gives it, None without one."""
    for folder in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in folder.read_text().splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return None


def git(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints in a folder; None when there is no git, no checkout, or it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints as a text without its line end."""
    printed = git(folder, *arguments)
    return None if printed is None else printed.decode(errors="replace").strip()
