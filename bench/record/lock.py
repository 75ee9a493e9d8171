"""One writer at a time on a results folder, or several that share it: workers of one sweep.

The lock is the kernel's (flock): it ends with its process, also after kill -9, so no stale lock file is ever in the
way. It does not span machines on file systems without shared locks.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rlvr_bench.record.atomic import disk_errors
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.errors import ResultsInUseError
from rlvr_bench.record.leftovers import sweep

LOCK_FILE = ".lock"


@contextmanager
def results_lock(results: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the results folder for this process; children that are started meanwhile do not hold it on.

    What killed processes left there and in the cache is swept.

    A shared holder tolerates others: records are written whole and named by content, so they do not meet.

    Raises:
        ResultsInUseError: another process holds it.
        RecordError: the folder cannot be written.
    """
    path = results / LOCK_FILE
    with disk_errors(path):
        results.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        _take(descriptor, results, shared)
        for folder in (results, cache_dir()):
            sweep(folder)
        yield
    finally:
        # Closing is enough for a child that was exec'd; a forked child shares the open file, so unlock by name.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _take(descriptor: int, results: Path, shared: bool) -> None:
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise ResultsInUseError(
            f"results folder {results} is in use by process {holder}; wait for it to end, or "
            "give another folder with --results"
        ) from error
    with disk_errors(results / LOCK_FILE):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
