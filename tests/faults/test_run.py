"""`run` broken at its writes to the disk, by a kill and by a full disk: it goes on and ends as if nothing had been."""

from pathlib import Path

import pytest
from forks import Work
from injection import Place, broken, broken_places, verb
from launch_fixture import save_tiny_base, write_experiment

from rlvr_bench.integrity.check import check

ONE_CELL = ("--only", "lora", "--seeds", "0", "--workers", "1")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=2)


def _work(experiment: Path, place: Place) -> Work:
    return verb("run", experiment, "--results", place.results, *ONE_CELL)


def test_a_run_broken_at_any_write_goes_on_and_ends_as_if_nothing_had_been(experiment: Path, tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    done = whole.fork(_work(experiment, whole))
    assert done.returncode == 0, done.stderr
    for place, faults in broken_places(tmp_path, whole.writes):
        broken(place, _work(experiment, place), faults)
        again = place.fork(_work(experiment, place))
        assert again.returncode == 0, (faults, again.stderr)
        assert place.rows() == whole.rows(), faults
        assert check(place.results).faults == [], faults
