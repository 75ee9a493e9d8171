"""Temporary files and folders that end with whoever made them, and the sweep of those whose maker was killed.

Each is locked by its maker (flock) for as long as it is in use. The kernel ends the lock with the process, so what can
be locked by somebody else is nobody's: neither ages nor process ids are compared.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".tmp"
"""Ends all names. What is made beside the file or folder that it will become is `.<name>.<random>.tmp`."""

PREFIX = "rlvr-bench-"
"""Begins the names of folders for the time of a run, in the system's folder of temporary files."""


@contextmanager
def temporary_file(path: Path) -> Iterator[Path]:
    """Make an empty file beside `path`, to take its place; it is removed if it is still there in the end."""
    with _held(lambda: _new_file(path)) as temporary:
        yield temporary


@contextmanager
def temporary_folder_beside(path: Path) -> Iterator[Path]:
    """Make a folder beside `path`, to take its place; it is removed if it is still there in the end."""
    prefix = f".{path.name}."
    with _held(lambda: Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix, suffix=SUFFIX))) as temporary:
        yield temporary


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder in the system's folder of temporary files, and remove there what killed processes left."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*{SUFFIX}"):
        _remove_if_nobodys(left)
    with _held(lambda: Path(tempfile.mkdtemp(prefix=PREFIX, suffix=SUFFIX))) as temporary:
        yield temporary


def sweep(folder: Path) -> None:
    """Remove the temporary files and folders below `folder` whose makers were killed."""
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if name.startswith(".") and name.endswith(SUFFIX):
                _remove_if_nobodys(Path(place, name))
        folders[:] = [name for name in folders if not name.endswith(SUFFIX)]


@contextmanager
def _held(make: Callable[[], Path]) -> Iterator[Path]:
    path, descriptor = _made_and_locked(make)
    try:
        yield path
    finally:
        _remove(path)
        os.close(descriptor)


def _made_and_locked(make: Callable[[], Path]) -> tuple[Path, int]:
    while True:
        path = make()
        descriptor = os.open(path, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks: there nothing is ever swept
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if path.exists():  # else a sweep was faster than the lock
            return path, descriptor
        os.close(descriptor)


def _new_file(path: Path) -> Path:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=SUFFIX)
    os.close(descriptor)
    return Path(name)


def _remove_if_nobodys(path: Path) -> None:
    try:
        # A link, or what belongs to another user, is not opened; a pipe of this name is not waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    with suppress(OSError):  # its maker lives, or another sweep was faster
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_uid == os.getuid():
            _remove(path)
    os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
