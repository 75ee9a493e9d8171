"""Commands with a fault at a chosen write to the disk."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from launch_fixture import command, environment

INJECTED = Path(__file__).with_name("injected")


@dataclass(frozen=True)
class Place:
    """Where a command writes: a results folder and a cache of its own."""

    folder: Path

    @property
    def results(self) -> Path:
        """Where records go."""
        return self.folder / "results"

    @property
    def cache(self) -> Path:
        """Where everything that is kept between runs goes."""
        return self.folder / "cache"

    def run(self, *arguments: str | Path, fault: str = "count:0") -> "subprocess.CompletedProcess[str]":
        """Run `rlvr-bench` to its end with a fault."""
        self.counter.unlink(missing_ok=True)
        variables = environment(self.cache, INJECTED) | {
            "RLVR_BENCH_FAULT": fault,
            "RLVR_BENCH_FAULT_COUNTER": str(self.counter),
            "RLVR_BENCH_FAULT_FOLDERS": os.pathsep.join(map(str, (self.results, self.cache, self.folder / "built"))),
        }
        return subprocess.run(
            command(*arguments), env=variables, capture_output=True, text=True, timeout=900, check=False
        )

    @property
    def counter(self) -> Path:
        """Holds how many writes a command made."""
        return self.folder / "writes"

    @property
    def writes(self) -> int:
        """Writes of the last command."""
        return int(self.counter.read_text())


def thorough() -> bool:
    """Whether every write is broken and every fuzzer takes its time: RLVR_BENCH_FAULTS=all."""
    return os.environ.get("RLVR_BENCH_FAULTS") == "all"


def chosen_points(writes: int) -> list[int]:
    """Return the writes at which to break: all of them, or in the short form two spread over the command."""
    return list(range(1, writes + 1)) if thorough() else sorted({max(1, round(writes * share)) for share in (0.4, 0.9)})
