"""The live state of a grid: what is written while cells run, and what `status` makes of it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.cli.main import app
from rlvr_bench.cli.views.status import duration, show_status, time_left
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import load
from rlvr_bench.experiment.grid import cells
from rlvr_bench.launch import live
from rlvr_bench.launch.launcher import Listener
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.lock import results_lock


def _launcher(seen: list[Any]) -> Any:
    def launch(
        given: Iterable[Cell | None], results: Path, workers: int | None, threads: int, listen: Listener
    ) -> list[Outcome]:
        one, other, third = [cell for cell in given if cell is not None][:3]
        listen(one, Event("train", 3, 40, accuracy=0.5))
        outcome = Outcome(other.id, other.method_name, other.seed, "failed", "out of memory; lower micro_batch")
        listen(other, Event("load"))
        listen(other, outcome)
        seen.append(live.live_state(results))
        seen.append(listen(third, Event("train", 1, 40)))
        listen(one, Outcome(one.id, one.method_name, one.seed, "done"))
        return [outcome]

    return launch


def test_a_run_leaves_what_runs_and_what_failed(tmp_path: Path) -> None:
    seen: list[Any] = []
    grid = cells(load("quick"))
    live.WithLiveState(_launcher(seen))(grid, tmp_path, None, 1, lambda cell, message: cell is grid[2])
    during, stopped = seen
    assert during["total"] == 6 and during["ended"] == {"failed": 1} and not during["runs"]
    assert [(cell["name"], cell["stage"], cell["step"]) for cell in during["running"]] == [("full seed 0", "train", 3)]
    assert during["failures"][0]["message"].startswith("out of memory") and stopped is True
    after = live.live_state(tmp_path)
    assert after is not None and after["ended"] == {"failed": 1, "done": 1} and after["running"] == []
    with results_lock(tmp_path):
        held = live.live_state(tmp_path)
        assert held is not None and held["runs"]


def test_a_disk_without_room_ends_no_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: str) -> None:
        raise RecordError("no space left on the disk")

    monkeypatch.setattr(live, "write_whole", full)
    ends = live.WithLiveState(_launcher([]))(cells(load("quick")), tmp_path, None, 1, lambda cell, message: None)
    assert len(ends) == 1


def test_status_says_it_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state: dict[str, Any] = {
        "runs": True,
        "process": 7,
        "started": 1000.0,
        "renewed": 1119.0,
        "total": 8,
        "ended": {"done": 3, "failed": 1},
        "failures": [{"name": "pissa seed 1", "cell_id": "abc", "status": "failed", "message": "out of memory"}],
        "running": [
            {"name": "lora seed 2", "comparison": "c", "since": 1090.0, "stage": "train", "step": 4, "steps": 9}
        ],
    }
    assert time_left(state, 1120.0) == "2 min" and time_left(state | {"ended": {}}, 1120.0) == ""
    show_status(state, 1120.0)
    shown = capsys.readouterr().out
    assert "process 7 runs for 2 min: 4 of 8 cells ended (3 done, 1 failed)" in shown and "about 2 min left" in shown
    assert "lora seed 2" in shown and "30 s" in shown and "4/9" in shown and "pissa seed 1 (abc): failed" in shown
    assert [duration(seconds) for seconds in (0.4, 59, 61, 3600 + 300)] == ["0 s", "59 s", "1 min", "1 h 5 min"]


def test_a_folder_without_a_run_is_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["status", "--results", str(tmp_path)])
    assert isinstance(done.exception, ExperimentError) and "no run has written to" in str(done.exception)
    (tmp_path / live.LIVE_FILE).write_text("{")
    with pytest.raises(RecordError, match="delete it"):
        live.live_state(tmp_path)


def test_a_watch_ends_with_the_run(tmp_path: Path) -> None:
    grid = cells(load("quick"))
    live.WithLiveState(_launcher([]))(grid, tmp_path, None, 1, lambda cell, message: None)
    shown = CliRunner().invoke(app, ["status", "--watch", "--json", "--results", str(tmp_path)], catch_exceptions=False)
    assert json.loads(shown.stdout)["runs"] is False  # a run that has ended ends the watch
