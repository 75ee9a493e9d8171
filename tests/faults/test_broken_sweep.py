"""`sweep` broken at its writes to the disk: the same command again ends with the study of an undisturbed one."""

import json
from pathlib import Path
from typing import Any

import pytest
from forks import Work
from injection import Place, broken, broken_places, verb
from launch_fixture import save_tiny_base, write_experiment

from rlvr_bench.integrity.check import check

ASK = ("--method", "lora", "--trials", "2", "--sampler", "qmc", "--workers", "1", "--seeds", "100", "--json")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=2)


def _work(experiment: Path, place: Place) -> Work:
    return verb("sweep", experiment, *ASK, "--results", place.results)


def _trials(place: Place, experiment: Path) -> list[dict[str, Any]]:
    """Run the sweep to its end; return its trials but for their numbers: what is tried again gets a new one."""
    done = place.fork(_work(experiment, place))
    assert done.returncode == 0, done.stderr
    trials = sorted(json.loads(done.stdout)["trials"], key=lambda trial: json.dumps(trial["settings"]))
    return [{name: value for name, value in trial.items() if name != "number"} for trial in trials]


def _faults(place: Place) -> list[str]:
    """Return the faults of a results folder by paths inside it: a sweep leaves the leaderboard to `leaderboard`."""
    return [fault.replace(str(place.results), "results") for fault in check(place.results).faults]


def test_a_sweep_broken_at_any_write_goes_on_and_ends_as_if_nothing_had_been(experiment: Path, tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    trials = _trials(whole, experiment)
    for place, faults in broken_places(tmp_path, whole.writes):
        broken(place, _work(experiment, place), faults)
        assert _trials(place, experiment) == trials, faults
        assert _faults(place) == _faults(whole), faults
