"""The processes of a cell that trains in several: forked from the first, before it has used torch.

The first process is the cell for everybody else: it scores and records. The others are its peers: they train with it
and then end; when the first ends before, so do they, and when one of them fails, the first learns why.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rlvr_bench.launch import sharding
from rlvr_bench.launch.causes import cause_of, cause_of_exit
from rlvr_bench.record.schema import Cause

VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torch.distributed reads."""

FAILED_EXIT = 1
POLL_SECONDS = 0.2
GRACE_SECONDS = 5.0
"""How long the first, which failed, waits to learn that a peer failed before it."""


def fork(processes: int, log: Path, shard: bool = False) -> "PeerProcesses | None":
    """Fork the peers of a cell's first process; returns in each: `PeerProcesses` in the first, None in its peers.

    Sets the environment by which torch.distributed and accelerate find the processes (on this machine only), or takes
    it away from a cell of one process, which is no part of whatever job it was started in. With `shard` they share one
    model (see `sharding`).
    """
    os.environ.pop(sharding.SWITCH, None)
    if processes == 1:
        for name in VARIABLES:
            os.environ.pop(name, None)
        return PeerProcesses({}, log)
    # Nothing is ever written to this pipe. Only the first holds its writing end, so that however the first ends, a
    # kill included, the system closes it and every peer's read returns.
    reading_end, writing_end = os.pipe()
    os.environ |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    os.environ |= sharding.environment() if shard else {}
    pids = {}
    for rank in range(1, processes):
        pid = os.fork()
        if pid == 0:
            os.close(writing_end)  # else this peer would keep the pipe open for itself and the others
            threading.Thread(target=_end_with_first, args=(reading_end,), daemon=True).start()
            _set_rank(rank)
            return None
        pids[rank] = pid
    os.close(reading_end)
    _set_rank(0)
    return PeerProcesses(pids, log)


class PeerProcesses:
    """The peers of a cell's first process, as that knows them: process ids by rank; none for a cell of one process."""

    def __init__(self, pids: Mapping[int, int], log: Path) -> None:
        self._running, self._log, self._watch_is_over = dict(pids), log, threading.Event()
        self._watcher: threading.Thread | None = None

    def watch(self, on_failure: Callable[[Cause], None]) -> None:
        """Call `on_failure` and end this process when a peer fails.

        A collective operation waits for the peer that is gone, for half an hour or more, so that the main thread cannot
        look itself.
        """
        if self._running:
            self._watcher = threading.Thread(target=self._poll, args=(on_failure,), daemon=True)
            self._watcher.start()

    def failure(self) -> Cause | None:
        """Why a peer failed, if one did before this process failed; ends the watch.

        A peer that fails breaks the connection first and leaves its cause a little later: hence the wait.
        """
        self._watch_is_over.set()
        if self._watcher is not None:
            self._watcher.join()
        until = time.monotonic() + GRACE_SECONDS
        while (cause := self._collect()) is None and self._running and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
        return cause

    def _poll(self, on_failure: Callable[[Cause], None]) -> None:
        while self._running and not self._watch_is_over.wait(POLL_SECONDS):
            if (cause := self._collect()) is not None:
                on_failure(cause)
                os._exit(FAILED_EXIT)  # the main thread may wait in a collective, which no exception reaches

    def _collect(self) -> Cause | None:
        """Collect the peers that have ended by now; why the first of them without success failed, None without one."""
        for rank, pid in list(self._running.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._running[rank]
                if code := os.waitstatus_to_exitcode(status):
                    # No cause is left by a peer that was killed: its exit code is all there is to say.
                    path = _cause_file(self._log, rank)
                    return Cause.model_validate_json(path.read_bytes()) if path.exists() else cause_of_exit(code, [])
        return None


def leave_cause(log: Path, error: Exception, tail: list[str]) -> None:
    """Leave behind why this peer failed, for the first process to find."""
    _cause_file(log, int(os.environ["RANK"])).write_text(cause_of(error, tail).model_dump_json())


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _set_rank(rank: int) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}


def _cause_file(log: Path, rank: int) -> Path:
    return log.with_suffix(f".rank-{rank}.json")


def _end_with_first(pipe: int) -> None:
    os.read(pipe, 1)
    os._exit(FAILED_EXIT)
