"""`run` broken at its writes to the disk, by a kill and by a full disk: it goes on and ends as if nothing had been."""

import csv
from pathlib import Path

import pytest
from injection import Place, chosen_points, refuse_tracebacks
from launch_fixture import save_tiny_base, write_experiment

from rlvr_bench.integrity.check import check
from rlvr_bench.leaderboard.columns import COLUMNS

MEASURED = {column.name for column in COLUMNS if column.measured}
ONE_CELL = ("--only", "lora", "--seeds", "0", "--workers", "1")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=2)


@pytest.fixture(scope="module")
def whole(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An unbroken run; its counter says how many writes there are."""
    place = Place(tmp_path_factory.mktemp("whole"))
    done = place.run("run", experiment, "--results", place.results, *ONE_CELL)
    assert done.returncode == 0, done.stderr
    return place


def _rows(place: Place) -> list[dict[str, str]]:
    with (place.results / "leaderboard.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name not in MEASURED} for row in csv.DictReader(file)]


@pytest.mark.parametrize("kind", ["kill", "full"])
def test_a_run_broken_at_any_write_goes_on_and_ends_as_if_nothing_had_been(
    kind: str, experiment: Path, whole: Place, tmp_path: Path
) -> None:
    for point in chosen_points(whole.writes):
        place = Place(tmp_path / f"{kind}-{point}")
        place.folder.mkdir()
        broken = place.run("run", experiment, "--results", place.results, *ONE_CELL, fault=f"{kind}:{point}")
        refuse_tracebacks(broken, kind, point)
        again = place.run("run", experiment, "--results", place.results, *ONE_CELL)
        assert again.returncode == 0, (point, again.stderr)
        assert _rows(place) == _rows(whole), point
        assert check(place.results).faults == [], point
