"""What the README says of names is what the code knows."""

import re
from pathlib import Path

from rlvr_bench.experiment.experiment import presets
from rlvr_bench.methods import registry

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_it_fits_a_newcomers_two_minutes() -> None:
    lines = README.splitlines()
    assert len(lines) <= 150
    assert not [line for line in lines if len(line) > 120 and not line.startswith("|")]


def test_every_method_of_its_board_can_be_shown() -> None:
    names = re.findall(r"^\| `([a-z0-9-]+)` \|", README, re.MULTILINE)
    assert len(names) == 8
    for name in names:
        assert registry.describe(name).formula


def test_the_presets_that_it_runs_are_there() -> None:
    assert set(re.findall(r"rlvr-bench (?:run|plan) ([a-z]+)\b(?!\.)", README)) <= presets().keys()
