"""What the README says of files and commands is what the code does."""

from pathlib import Path

from rlvr_bench.experiment.experiment import presets
from rlvr_bench.leaderboard.columns import columns_markdown

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_every_column_of_the_leaderboard_is_documented() -> None:
    assert columns_markdown().strip() in README


def test_every_preset_is_listed() -> None:
    assert all(f"| `{name}` |" in README for name in presets())
