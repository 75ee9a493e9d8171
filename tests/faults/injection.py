"""Commands with a fault at a chosen write to the disk."""

import csv
import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess

import forks
from forks import Work
from launch_fixture import environment

from rlvr_bench.cli.entry import main
from rlvr_bench.leaderboard.columns import COLUMNS

INJECTED = Path(__file__).with_name("injected")
MEASURED = {column.name for column in COLUMNS if column.measured}
KINDS = ("kill", "full")
STRIDE = int(os.environ.get("RLVR_BENCH_FAULTS", "0"))
"""Long form: every so many writes are broken, and the fuzzers take their time. 0 is the short form."""


@dataclass(frozen=True)
class Place:
    """Where a command writes: a results folder and a cache of its own."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)

    @property
    def results(self) -> Path:
        """Where records go."""
        return self.folder / "results"

    def rows(self) -> list[dict[str, str]]:
        """Return the leaderboard's rows but for what was timed."""
        with (self.results / "leaderboard.csv").open(newline="") as file:
            return [{name: text for name, text in row.items() if name not in MEASURED} for row in csv.DictReader(file)]

    @property
    def cache(self) -> Path:
        """Where everything that is kept between runs goes."""
        return self.folder / "cache"

    @property
    def built(self) -> Path:
        """Where a model is built."""
        return self.folder / "built"

    def fork(self, work: Work, fault: str = "count:0") -> "CompletedProcess[str]":
        """Do `work` with a fault in a fork of a process of its own, and wait for all processes that it starts."""
        self.counter.write_text("0")
        return forks.fork(work, INJECTED / "sitecustomize.py", self.folder / "out", self._faulty(fault))

    def _faulty(self, fault: str) -> dict[str, str]:
        """Return the environment of a process with a fault, and of all that it starts."""
        return environment(self.cache, INJECTED) | {
            "RLVR_BENCH_FAULT": fault,
            "RLVR_BENCH_FAULT_COUNTER": str(self.counter),
            "RLVR_BENCH_FAULT_FOLDERS": os.pathsep.join(map(str, (self.results, self.cache, self.built))),
        }

    @property
    def counter(self) -> Path:
        """Holds how many writes a command made."""
        return self.folder / "writes"

    @property
    def writes(self) -> int:
        """Writes of the last command."""
        return int(self.counter.read_text())


def broken_places(folder: Path, writes: int) -> list[tuple[Place, list[str]]]:
    """Return places, and the faults that befall the same command in each, one time after the other.

    In the long form each write of the command is killed at in one place, and finds the disk full in another. In the
    short form one place sees both: a kill a third of the way, and when the command is run again a full disk as far on.
    """
    if STRIDE:
        faults = [f"{kind}:{number}" for kind in KINDS for number in range(1, writes + 1, STRIDE)]
        return [(Place(folder / fault.replace(":", "-")), [fault]) for fault in faults]
    return [(Place(folder / "broken"), [f"{kind}:{max(1, writes // 3)}" for kind in KINDS])]


def broken(place: Place, work: Work, faults: list[str]) -> None:
    """Do `work` once with each fault; assert that a broken command says what happened, if it lived to say it."""
    for fault in faults:
        done = place.fork(work, fault)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, (fault, said)
        assert STRIDE or place.writes >= int(fault.partition(":")[2]), "the fault did not come"
        if fault.startswith("full") and done.returncode:
            assert "no space left" in said.lower(), (fault, said)


def verb(*arguments: str | Path) -> Work:
    """Return the work of a command of `rlvr-bench`."""
    return partial(_command, *arguments)


def _command(*words: str) -> None:
    sys.argv = ["rlvr-bench", *words]
    main()
