"""Commands with a fault at a chosen write to the disk."""

import os
import runpy
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from launch_fixture import command, environment

from rlvr_bench.record.errors import RecordError

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
        return subprocess.run(
            command(*arguments), env=self._faulty(fault), capture_output=True, text=True, timeout=900, check=False
        )

    def fork(self, work: Callable[[], object], fault: str = "count:0") -> "subprocess.CompletedProcess[str]":
        """Do `work` in a fork of this process, which has its imports done, with a fault; as `run` does a command."""
        variables, said = self._faulty(fault), self.folder / "said"
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.environ.update(variables)
                with said.open("w") as file:
                    os.dup2(file.fileno(), 1)
                    os.dup2(file.fileno(), 2)
                runpy.run_path(str(INJECTED / "sitecustomize.py"))
                code = _exit_code(work)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return subprocess.CompletedProcess([], code, stdout="", stderr=said.read_text())

    def _faulty(self, fault: str) -> dict[str, str]:
        """Return the environment of a process with a fault, and forget the writes of the one before."""
        self.counter.unlink(missing_ok=True)
        return environment(self.cache, INJECTED) | {
            "RLVR_BENCH_FAULT": fault,
            "RLVR_BENCH_FAULT_COUNTER": str(self.counter),
            "RLVR_BENCH_FAULT_FOLDERS": os.pathsep.join(map(str, (self.results, self.cache, self.folder / "built"))),
        }

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


def chosen_points(writes: int, shares: tuple[float, ...] = (0.4, 0.9)) -> list[int]:
    """Return the writes at which to break: all of them, or in the short form a few spread over the command."""
    return list(range(1, writes + 1)) if thorough() else sorted({max(1, round(writes * share)) for share in shares})


def refuse_tracebacks(broken: "subprocess.CompletedProcess[str]", kind: str, point: int) -> None:
    """Assert that a broken command says what happened in a sentence, if it lived to say it."""
    said = broken.stdout + broken.stderr
    assert "Traceback" not in said, (point, said)
    if kind == "full" and broken.returncode:
        assert "no space left" in said.lower(), (point, said)


def _exit_code(work: Callable[[], object]) -> int:
    """Do `work`, and say an error of this package in its sentence, as the command line does."""
    try:
        work()
    except RecordError as error:
        os.write(2, f"{error}\n".encode())
        return 1
    except SystemExit as end:
        return int(end.code or 0)
    except Exception:  # noqa: BLE001 - whatever it is, the test shows it
        os.write(2, traceback.format_exc().encode())
        return 1
    return 0
