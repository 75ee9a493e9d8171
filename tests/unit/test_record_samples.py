"""Samples in parquet, and the environment of a run."""

from pathlib import Path
from typing import Any

import pytest

from rlvr_bench.record.environment import capture, changes, checkout_state
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.samples import read_samples, samples_path, write_samples


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    return tmp_path


def sample(**changes: Any) -> dict[str, Any]:
    row = {"cell_id": "abc123", "model": "tuned", "task": "chain", "split": "test", "problem_id": "p1", "sample": 0}
    row |= {"completion": "1+1=2 #### 2 <script>\x00é", "parsed": None, "correct": False, "reason": "unparsed"}
    row |= {"tokens": 9, "logprob_sum": -1.25, "finish_reason": "stop", "temperature": 0.0, "seed": 2**40}
    return row | changes


def test_round_trip(cache: Path) -> None:
    rows = [sample(), sample(sample=1, parsed="2", correct=True, reason="correct", logprob_sum=None)]
    path = write_samples("abc123", rows)
    assert path == cache / "cells" / "abc123" / "samples.parquet"
    assert read_samples("abc123") == rows


def test_no_samples_is_an_empty_table_not_an_error() -> None:
    write_samples("abc123", [])
    assert read_samples("abc123") == []


@pytest.mark.parametrize("bad", [{"tokens": "many"}, {"acuracy": 1}])
def test_a_row_that_does_not_fit_is_refused_and_nothing_is_written(bad: dict[str, Any]) -> None:
    with pytest.raises(RecordError, match="SAMPLES_SCHEMA"):
        write_samples("abc123", [sample(**bad)])
    assert not samples_path("abc123").exists()


def test_missing_and_broken_files_say_what_to_do() -> None:
    with pytest.raises(RecordError, match="RLVR_BENCH_CACHE"):
        read_samples("abc123")
    write_samples("abc123", [sample()]).write_bytes(b"PAR1 nonsense")
    with pytest.raises(RecordError, match="delete it and run cell abc123 again"):
        read_samples("abc123")


def test_environment_names_what_may_change_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    here = capture()
    assert here.threads == 1 and here.packages["numpy"] and here.cpu
    other = here.model_copy(update={"packages": here.packages | {"numpy": "0.1"}})
    assert changes(here, here) == []
    assert changes(other, here) == [f"numpy 0.1 -> {here.packages['numpy']}"]


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    assert checkout_state(tmp_path) == (None, None)
