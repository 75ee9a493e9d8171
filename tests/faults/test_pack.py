"""`results pack` broken at its writes: nothing is lost, and packing again ends as if nothing had been."""

import shutil
from pathlib import Path

import pytest
from forks import Work
from injection import Place, broken, broken_places, verb
from record_factory import record

from rlvr_bench.record import store
from rlvr_bench.record.pack import packed_document
from rlvr_bench.record.schema import RunRecord, StepRecord


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of two comparisons, as `run` leaves it."""
    results = tmp_path_factory.mktemp("folders") / "results"
    steps = [StepRecord(step=number, reward=0.5) for number in (1, 2, 3)]
    for method in ("lora", "dora"):
        for seed in (0, 1):
            store.write_run(results, record(method, seed), steps)
    other = record("full").model_copy(update={"comparison": "another.comparison"})
    store.write_run(results, other, steps)
    return results


def _read(results: Path) -> list[tuple[RunRecord, list[StepRecord]]]:
    records, problems = store.load_all(results)
    assert problems == []
    reader = store.StepReader(results)
    return [(packed_document(found), [step.reward for step in reader.steps(found)]) for found in records]


def _work(place: Place) -> Work:
    return verb("results", "pack", "--results", place.results)


def test_packing_broken_at_any_write_loses_nothing(folders: Path, tmp_path: Path) -> None:
    whole = Place(tmp_path / "whole")
    shutil.copytree(folders, whole.results)
    assert whole.fork(_work(whole)).returncode == 0
    expected = _read(folders)
    assert _read(whole.results) == expected
    for place, faults in broken_places(tmp_path, whole.writes):
        shutil.copytree(folders, place.results)
        for fault in faults:
            broken(place, _work(place), [fault])
            assert _read(place.results) == expected, fault
        again = place.fork(_work(place))
        assert again.returncode == 0, (faults, again.stderr)
        assert _read(place.results) == expected, faults
        assert not (place.results / store.RUNS_FOLDER).exists(), faults
        assert _names(place) == _names(whole), faults


def _names(place: Place) -> list[str]:
    return sorted(path.name for path in (place.results / store.RECORDS_FOLDER).iterdir())
