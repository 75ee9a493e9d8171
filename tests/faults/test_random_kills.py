"""A hundred kills while cells train: what was recorded stays, and a grid ends as an undisturbed one does.

They come at random moments, to the command alone, to it with all that it has started, or to one of its cells. In the
long form only: one of each kind is in `test_launch_run`.
"""

import json
import os
import random
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import pytest
from injection import STRIDE, Place
from launch_fixture import cells_of, children_of, command, environment, save_tiny_base, wait_for, write_experiment

from rlvr_bench.integrity.check import check
from rlvr_bench.record.store import RUN_FILE, RUNS_FOLDER, STEPS_FILE

KINDS = ("command", "group", "cell")
KILLS = 100
STEPS = 40


class Grid:
    """Six cells of a tiny model, two at a time, in a place of their own."""

    def __init__(self, experiment: Path, folder: Path) -> None:
        self.place = Place(folder)
        self._asked = command("run", experiment, "--results", self.place.results, "--workers", "2")

    def start(self) -> "subprocess.Popen[str]":
        """Start the command in a process group of its own, as a shell does."""
        said = (self.place.folder / "said").open("a")
        return subprocess.Popen(
            self._asked, env=environment(self.place.cache), stdout=said, stderr=said, text=True, start_new_session=True
        )

    def finish(self) -> float:
        """Run the command until nothing is left; return the seconds that its cells took, 0 if none was left to run."""
        begin, process = None, self.start()
        while process.poll() is None:
            begin = begin or (time.monotonic() if cells_of(process.pid) else None)
            time.sleep(0.05)
        assert process.returncode == 0, self.said
        return time.monotonic() - begin if begin else 0.0

    @property
    def said(self) -> str:
        """What the commands printed."""
        return (self.place.folder / "said").read_text()

    def results(self) -> dict[str, tuple[bytes, bytes]]:
        """Return by folder the record and the steps of each result, as written; attempts that failed are none."""
        records = {path: path.read_bytes() for path in self.place.results.glob(f"{RUNS_FOLDER}/**/{RUN_FILE}")}
        return {
            str(path.parent): (record, path.with_name(STEPS_FILE).read_bytes())
            for path, record in records.items()
            if json.loads(record)["status"] != "failed"
        }


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    return write_experiment(folder, save_tiny_base(folder / "tiny-base"), steps=STEPS)


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill(process: "subprocess.Popen[str]", kind: str, chance: random.Random) -> bool:
    """Kill by one of `KINDS`; return whether there was something to kill."""
    cells = cells_of(process.pid)
    if process.poll() is not None or not cells:
        return False
    started = cells + children_of(process.pid)
    if kind == "cell":
        os.kill(chance.choice(cells), signal.SIGKILL)
        # The command says what befell its cell and goes on with the others.
        assert process.wait() in (0, 1)
    else:
        (os.killpg if kind == "group" else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 900
    while (left := [pid for pid in started if _alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"processes outlive a kill of the {kind}"
    return True


@pytest.mark.skipif(not STRIDE, reason="runs a grid more than a hundred times: tox -e faults")
def test_kills_at_random_moments_lose_no_record_and_change_no_result(experiment: Path, tmp_path: Path) -> None:
    whole = Grid(experiment, tmp_path / "whole")
    seconds = whole.finish()
    chance = random.Random(0)
    grid, kills, finished = Grid(experiment, tmp_path / "0"), dict.fromkeys(KINDS, 0), 0
    while sum(kills.values()) < KILLS:
        kind, before = KINDS[sum(kills.values()) % len(KINDS)], grid.results()
        process = grid.start()
        wait_for(partial(cells_of, process.pid), process)
        time.sleep(chance.uniform(0, seconds))
        kills[kind] += _kill(process, kind, chance)
        process.wait()
        assert before.items() <= grid.results().items()
        if len(grid.results()) == 6:
            _assert_as_undisturbed(grid, whole)
            finished += 1
            grid = Grid(experiment, tmp_path / str(finished))
    _assert_as_undisturbed(grid, whole)


def _assert_as_undisturbed(grid: Grid, whole: Grid) -> None:
    grid.finish()
    assert grid.place.rows() == whole.place.rows()
    assert check(grid.place.results).faults == []
    assert "Traceback" not in grid.said
