"""Breaks a process at its n-th write to the disk: imported by every interpreter that has this folder on its path.

RLVR_BENCH_FAULT says where and how: "kill:12", "full:12", or "count:0", which only counts. What counts is a rename
(before and after), a file that is opened to be written or synced, and, but for a full disk, a file that is removed, in
the folders of RLVR_BENCH_FAULT_FOLDERS (others, such as an interpreter's own files, do not). The count is shared by
all processes of a command through a file.
"""

import errno
import fcntl
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

KIND, _, NUMBER = os.environ.get("RLVR_BENCH_FAULT", "count:0").partition(":")
FOLDERS = tuple(filter(None, os.environ.get("RLVR_BENCH_FAULT_FOLDERS", "").split(os.pathsep)))
COUNTER = os.environ.get("RLVR_BENCH_FAULT_COUNTER", "")
KILLED = 137


def _count() -> int:
    """Return the number of this event, over all processes."""
    descriptor = os.open(COUNTER, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        number = int(os.read(descriptor, 32) or b"0") + 1
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, str(number).encode())
        return number
    finally:
        os.close(descriptor)


def _event(path: object) -> None:
    """Count a write to `path`, and break where the count says so."""
    if not isinstance(path, str | bytes | os.PathLike):
        return
    if not os.fsdecode(path).startswith(FOLDERS):
        return
    if _count() != int(NUMBER):
        return
    if KIND == "kill":
        os._exit(KILLED)
    if KIND == "full":
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), os.fsdecode(path))


def _before_and_after(real: Callable[..., Any], place: int) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        _event(arguments[place])
        result = real(*arguments, **options)
        if KIND != "full":
            _event(arguments[place])
        return result

    return wrapped


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Take every open for writing, of libraries written in C too where they go through Python, and every removal."""
    if event == "os.remove" and KIND != "full":
        path, folder = arguments
        _event(path if folder == -1 else Path(f"/proc/self/fd/{folder}").readlink() / os.fsdecode(path))
    if event != "open":
        return
    path, mode, flags = arguments
    writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
    if writes and path != COUNTER:
        _event(path)


if COUNTER and FOLDERS:
    os.replace = _before_and_after(os.replace, 1)
    os.rename = _before_and_after(os.rename, 1)
    sys.addaudithook(_watch)
