"""The processes of a cell that trains in several: forked from the first, before it has used torch.

The first is the cell's process for everybody else. The others train with it and then end; when the first ends before,
so do they, and when one of them fails, the first learns why.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rlvr_bench.launch.causes import cause_of, cause_of_exit
from rlvr_bench.record.schema import Cause

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torch.distributed reads."""

FAILED_EXIT = 1
LOOK_SECONDS = 0.2
GRACE_SECONDS = 5.0
"""How long the first, which failed, waits to learn that another failed before it."""


class Others:
    """The other processes of a cell, as the first knows them: process ids by rank; none for a cell of one process."""

    def __init__(self, pids: Mapping[int, int], log: Path) -> None:
        self._left, self._log, self._over = dict(pids), log, threading.Event()
        self._watcher: threading.Thread | None = None

    def watch(self, act: Callable[[Cause], None]) -> None:
        """Call `act` and end this process when another one fails, wherever this one waits for it."""
        if self._left:
            self._watcher = threading.Thread(target=self._look, args=(act,), daemon=True)
            self._watcher.start()

    def failure(self) -> Cause | None:
        """Why one of them failed, as far as this process has failed for that reason; ends the watch."""
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()
        until = time.monotonic() + GRACE_SECONDS
        while (found := self._ended()) is None and self._left and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
        return found

    def _look(self, act: Callable[[Cause], None]) -> None:
        while self._left and not self._over.wait(LOOK_SECONDS):
            if (found := self._ended()) is not None:
                act(found)
                os._exit(FAILED_EXIT)

    def _ended(self) -> Cause | None:
        """Why one that has ended by now did so without success; None when none has."""
        for rank, pid in list(self._left.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._left[rank]
                if code := os.waitstatus_to_exitcode(status):
                    left = _cause_file(self._log, rank)
                    return Cause.model_validate_json(left.read_bytes()) if left.exists() else cause_of_exit(code, [])
        return None


def fork(processes: int, log: Path) -> Others | None:
    """Fork the other processes of a cell; returns in each: `Others` in the first, None in the others.

    Sets the environment by which torch.distributed and accelerate find the processes (on this machine only), or takes
    it away from a cell of one process, which is no part of whatever job it was started in.
    """
    if processes == 1:
        for name in VARIABLES:
            os.environ.pop(name, None)
        return Others({}, log)
    ours, theirs = os.pipe()
    os.environ |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    pids = {}
    for rank in range(1, processes):
        pid = os.fork()
        if pid == 0:
            os.close(theirs)
            threading.Thread(target=_end_with_first, args=(ours,), daemon=True).start()
            _become(rank)
            return None
        pids[rank] = pid
    os.close(ours)
    _become(0)
    return Others(pids, log)  # the first holds its end of the pipe as long as it lives


def leave_cause(log: Path, error: Exception, tail: list[str]) -> None:
    """Leave behind why this process, not the first, failed."""
    _cause_file(log, int(os.environ["RANK"])).write_text(cause_of(error, tail).model_dump_json())


def _become(rank: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}


def _cause_file(log: Path, rank: int) -> Path:
    return log.with_suffix(f".rank-{rank}.json")


def _end_with_first(pipe: int) -> None:
    os.read(pipe, 1)  # returns when the first process has ended, however
    os._exit(FAILED_EXIT)


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
