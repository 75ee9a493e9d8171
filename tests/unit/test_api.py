"""The functions that the package offers to Python, on small results folders; nothing trains."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from record_factory import outcomes, record

import rlvr_bench
from rlvr_bench import api
from rlvr_bench.grid.run import FAILED_EXIT, INTERRUPTED_EXIT, GridResult
from rlvr_bench.leaderboard.columns import BY_NAME
from rlvr_bench.leaderboard.file import ALL_FILE
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.store import write_run


def _folder(path: Path) -> Path:
    for seed in range(3):
        write_run(path, record("lora", seed, outcomes(0.6, seed=seed)), [])
        write_run(path, record("full", seed, outcomes(0.8, seed=seed + 10)), [])
    return path


def test_results_are_the_rows_of_the_leaderboard(tmp_path: Path) -> None:
    rows = rlvr_bench.results(_folder(tmp_path))
    assert list(rows.columns) == list(BY_NAME)
    assert set(rows["method"]) == {"lora", "full", "base"}
    lora = rows.set_index("method").loc["lora"]
    expected = sum(outcomes(0.6, seed=seed).count("1") / 200 for seed in range(3)) / 3
    assert lora["accuracy"] == pytest.approx(expected, abs=5e-5), "the leaderboard rounds to four digits"
    assert lora["seeds"] == 3
    assert pd.isna(lora["gain_over_control"])
    assert not (tmp_path / ALL_FILE).exists()


def test_records_are_those_that_were_written(tmp_path: Path) -> None:
    records = rlvr_bench.load_records(str(_folder(tmp_path)))
    assert sorted((one.cell["method_name"], one.cell["seed"]) for one in records) == [
        (method, seed) for method in ("full", "lora") for seed in range(3)
    ]


def test_a_folder_without_records_and_a_broken_record_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="holds no run records"):
        rlvr_bench.results(tmp_path)
    _folder(tmp_path)
    next(tmp_path.rglob("run.json")).write_text("{")
    with pytest.raises(RecordError, match=r"run\.json"):
        rlvr_bench.load_records(tmp_path)


@pytest.mark.parametrize("code", [0, FAILED_EXIT, INTERRUPTED_EXIT])
def test_a_run_gives_its_rows_warns_of_failed_cells_and_passes_on_an_interrupt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    asked: dict[str, Any] = {}

    def instead(stages: Iterable[Any], results: Path, workers: int | None, **options: Any) -> GridResult:
        cells = [cell for stage in stages for cell in stage([]).cells]
        asked.update(options, cells=cells, results=results, workers=workers)
        options["watcher"].say("a cell failed")
        return GridResult(rows, None, code, "stopped")

    rows = [dict.fromkeys(BY_NAME) | {"method": "lora", "accuracy": 0.5}]
    monkeypatch.setattr(api, "run_experiment", instead)

    def call() -> pd.DataFrame:
        return rlvr_bench.run(
            "quick", tmp_path, only="lora", seeds=[7], settings={"signal.steps": 3}, workers=1, budget=60.0
        )

    if code == 0:
        frame = call()
    elif code == FAILED_EXIT:
        with pytest.warns(UserWarning, match="a cell failed"):
            frame = call()
    else:
        with pytest.raises(KeyboardInterrupt, match="stopped"):
            call()
        return
    assert frame["method"].tolist() == ["lora"]
    (cell,) = asked["cells"]
    assert (cell.method_name, cell.seed, cell.signal.steps) == ("lora", 7, 3)
    assert (asked["results"], asked["workers"], asked["budget"]) == (tmp_path, 1, 60.0)


def test_the_package_itself_imports_nothing_heavy_and_knows_its_names() -> None:
    program = "import sys, rlvr_bench; print([name for name in ('torch', 'pandas', 'pydantic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for name in rlvr_bench.__all__:
        assert callable(getattr(rlvr_bench, name))
    with pytest.raises(AttributeError, match="no attribute 'runs'"):
        _ = rlvr_bench.runs
