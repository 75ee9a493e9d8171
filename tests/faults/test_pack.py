"""`results pack` broken at its writes: nothing is lost, and packing again ends as if nothing had been."""

import shutil
from pathlib import Path

import pytest
from injection import Place, chosen_points, refuse_tracebacks
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


def _copied(folders: Path, folder: Path) -> Place:
    place = Place(folder)
    shutil.copytree(folders, place.results)
    return place


def _read(results: Path) -> list[tuple[RunRecord, list[StepRecord]]]:
    records, problems = store.load_all(results)
    assert problems == []
    reader = store.StepReader(results)
    return [(packed_document(found), [step.reward for step in reader.steps(found)]) for found in records]


@pytest.mark.parametrize("kind", ["kill", "full"])
def test_packing_broken_at_any_write_loses_nothing(kind: str, folders: Path, tmp_path: Path) -> None:
    whole = _copied(folders, tmp_path / "whole")
    assert whole.run("results", "pack", "--results", whole.results).returncode == 0
    expected = _read(folders)
    assert _read(whole.results) == expected
    for point in chosen_points(whole.writes):
        place = _copied(folders, tmp_path / f"{kind}-{point}")
        broken = place.run("results", "pack", "--results", place.results, fault=f"{kind}:{point}")
        refuse_tracebacks(broken, kind, point)
        assert _read(place.results) == expected, point
        again = place.run("results", "pack", "--results", place.results)
        assert again.returncode == 0, (point, again.stderr)
        assert _read(place.results) == expected, point
        assert not (place.results / store.RUNS_FOLDER).exists(), point
        assert sorted(path.name for path in (place.results / store.RECORDS_FOLDER).iterdir()) == sorted(
            path.name for path in (whole.results / store.RECORDS_FOLDER).iterdir()
        ), point
