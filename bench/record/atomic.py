"""Files and folders that are written whole or not at all.

A reader, or a process that starts after kill -9, sees the old content or the new, never a part.
"""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.leftovers import temporary_file


def write_whole(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` (text as UTF-8); see `replace_whole`."""
    data = content.encode() if isinstance(content, str) else content
    replace_whole(path, lambda temporary: temporary.write_bytes(data))


def replace_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in the place of `path` in one step.

    The file's bytes reach the disk before its name does, and the folder's entry before this returns. Leftovers of
    killed writers (`.<name>.*.tmp`) are never read, and swept later (`leftovers`).

    Raises:
        RecordError: the disk is full, or the folder cannot be written.
    """
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path) as temporary:
            write(temporary)
            # mkstemp makes files private; a record is as readable as any file of its owner.
            temporary.chmod(0o666 & ~_umask())
            _sync(temporary, os.O_RDWR)
            temporary.replace(path)
        _sync(path.parent, os.O_RDONLY)


def put_folder(temporary: Path, path: Path) -> None:
    """Put a folder that was filled beside `path` in the place of `path`; what is there is removed.

    Its files reach the disk before its name does. A temporary folder is its maker's alone; this one becomes as readable
    as any folder of its owner.

    Raises:
        RecordError: the disk is full, or the folder cannot be written.
    """
    with disk_errors(path):
        for file in sorted(temporary.rglob("*")):
            if file.is_file():
                _sync(file, os.O_RDONLY)
        shutil.rmtree(path, ignore_errors=True)
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
        _sync(path.parent, os.O_RDONLY)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn an OSError on the way to `path` into one sentence with the fix."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RecordError(
                f"no space left on the disk while writing {path}; free some space and run again, what "
                "was finished before is kept"
            ) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecordError(f"cannot write {path} ({reason}); make the folder writable or choose another") from error


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
