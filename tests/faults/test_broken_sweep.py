"""`sweep` broken at its writes to the disk: the same command again ends with the study of an undisturbed one."""

import json
from pathlib import Path
from typing import Any

import pytest
from injection import Place, chosen_points, refuse_tracebacks
from launch_fixture import save_tiny_base, write_experiment

from rlvr_bench.integrity.check import check

ASK = ("--method", "lora", "--trials", "2", "--sampler", "qmc", "--workers", "1", "--seeds", "100", "--json")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=2)


@pytest.fixture(scope="module")
def whole(experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, list[dict[str, Any]]]:
    """An unbroken sweep and its trials; its counter says how many writes there are."""
    place = Place(tmp_path_factory.mktemp("whole"))
    return place, _trials(place, experiment)


def _trials(place: Place, experiment: Path) -> list[dict[str, Any]]:
    """Run the sweep to its end; return its trials but for their numbers: what is tried again gets a new one."""
    done = place.run("sweep", experiment, *ASK, "--results", place.results)
    assert done.returncode == 0, done.stderr
    trials = sorted(json.loads(done.stdout)["trials"], key=lambda trial: json.dumps(trial["settings"]))
    return [{name: value for name, value in trial.items() if name != "number"} for trial in trials]


def _faults(place: Place) -> list[str]:
    """Return the faults of a results folder by paths inside it: a sweep leaves the leaderboard to `leaderboard`."""
    return [fault.replace(str(place.results), "results") for fault in check(place.results).faults]


@pytest.mark.parametrize("kind", ["kill", "full"])
def test_a_sweep_broken_at_any_write_goes_on_and_ends_as_if_nothing_had_been(
    kind: str, experiment: Path, whole: tuple[Place, list[dict[str, Any]]], tmp_path: Path
) -> None:
    for point in chosen_points(whole[0].writes, (0.5,)):
        place = Place(tmp_path / f"{kind}-{point}")
        place.folder.mkdir()
        broken = place.run("sweep", experiment, *ASK, "--results", place.results, fault=f"{kind}:{point}")
        refuse_tracebacks(broken, kind, point)
        assert _trials(place, experiment) == whole[1], point
        assert _faults(place) == _faults(whole[0]), point
