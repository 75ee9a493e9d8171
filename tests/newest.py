"""Install what the package needs in the newest versions that the index has, beyond the ranges of pyproject.toml too.

The package itself is installed without its dependencies, so that its ranges say nothing. What is beyond them is
printed: where the tests pass, the range may be widened; where they fail, `test_private_api.py` says what broke.
Run by `tox -e newest`.
"""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]


def requirements() -> list[Requirement]:
    """Return what the package and its tests need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return [Requirement(line) for line in [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]]


def install(*arguments: str) -> None:
    """Run pip."""
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=True)


def beyond(needed: list[Requirement]) -> list[str]:
    """Return what is installed in a version that its range leaves out."""
    return [
        f"{each.name} {version(each.name)} is beyond {each.specifier}"
        for each in needed
        if not each.specifier.contains(version(each.name), prereleases=True)
    ]


if __name__ == "__main__":
    needed = requirements()
    install("--upgrade", *(each.name for each in needed))
    install("--no-deps", str(ROOT))
    print(*(beyond(needed) or ["the newest versions are within the ranges"]), sep="\n")
