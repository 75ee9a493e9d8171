"""Where things live that can be made again: converted models, shared computations."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from rlvr_bench.plugins.cache_folder import cache_dir as cache_dir
from rlvr_bench.record.atomic import disk_errors, write_whole

Computed = TypeVar("Computed")


def computed_once(
    path: Path, parse: Callable[[bytes], Computed], compute: Callable[[], Computed], dump: Callable[[Computed], str]
) -> Computed:
    """What the file holds; computed and kept if it is not there or not readable. A second process waits for the first.

    Raises:
        RecordError: the cache cannot be written.
    """
    with locked(path.with_suffix(".lock")):
        try:
            return parse(path.read_bytes())
        except (FileNotFoundError, ValueError):  # a damaged cache may be filled again
            computed = compute()
            write_whole(path, dump(computed))
            return computed


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock, which ends with the process at the latest."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
