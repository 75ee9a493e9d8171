"""What `tox -e newest` installs, and how it says that a version is beyond its range."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

NEWEST: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "newest.py"))


def test_everything_that_the_package_and_its_tests_need_is_installed() -> None:
    names = {requirement.name for requirement in NEWEST["requirements"]()}
    assert {"torch", "trl", "peft", "transformers", "lm-eval", "pytest", "hypothesis"} <= names


def test_a_version_beyond_its_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEWEST["beyond"].__globals__, "version", {"a": "2.1", "b": "1.5"}.get)
    assert NEWEST["beyond"]([Requirement("a>=1,<2"), Requirement("b>=1,<2")]) == ["a 2.1 is beyond <2,>=1"]
