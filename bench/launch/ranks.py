"""The processes of a cell that trains in several: forked from the first, before it has used torch.

The first is the cell's process for everybody else. The others train with it and then end; when the first ends before,
so do they, and when one of them fails, the first learns why.
"""

import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from bench.launch.causes import cause_of, cause_of_exit
from bench.record.schema import Cause

FAILED_EXIT = 1


@dataclass(frozen=True, slots=True)
class Others:
    """The other processes of a cell, as the first knows them: process ids by rank, and where they leave causes."""

    pids: dict[int, int]
    log: Path

    def cause(self, tail: list[str]) -> Cause | None:
        """Why one of them ended without success, None when none did; waits until all have ended."""
        found = None
        for rank, pid in self.pids.items():
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code and found is None:
                left = _cause_file(self.log, rank)
                found = Cause.model_validate_json(left.read_bytes()) if left.exists() else cause_of_exit(code, tail)
        return found


def fork(processes: int, log: Path) -> Others | None:
    """Fork the other processes of a cell; returns in each: `Others` in the first, None in the others.

    Sets the environment by which torch.distributed and accelerate find the processes (on this machine only).
    """
    ours, theirs = os.pipe()
    os.environ |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
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
    import torch

    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    if torch.cuda.is_available():
        torch.cuda.set_device(rank)


def _cause_file(log: Path, rank: int) -> Path:
    return log.with_suffix(f".rank-{rank}.json")


def _end_with_first(pipe: int) -> None:
    os.read(pipe, 1)  # returns when the first process has ended, however
    os._exit(FAILED_EXIT)


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])
