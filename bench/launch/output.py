"""What the process of a cell prints: into a file of its own, whose last lines go into the record of a failure."""

import os
import sys
from pathlib import Path

TAIL_LINES = 20


def redirect_output(log: Path) -> None:
    """Send all that this process prints from now on to a file."""
    # The descriptors, not sys.stdout: libraries in C write to them too.
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def own_tail(log: Path) -> list[str]:
    """Return the last lines that this process printed, after `redirect_output`."""
    sys.stdout.flush()
    sys.stderr.flush()
    return tail(log)


def tail(log: Path) -> list[str]:
    """Return the last lines of the output of a cell's process."""
    if not log.exists():
        return []
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
