"""From an error to the typed cause that a record keeps: what happened, and the fix in one sentence."""

import errno
import signal

from rlvr_bench.record.schema import Cause

_MEMORY_FIX = "lower signal.micro_batch or evaluate.batch_size, or run fewer cells at a time with --workers"


def cause_of(error: Exception, tail: list[str]) -> Cause:
    """Describe an exception that ended a cell."""
    message = " ".join(str(error).split()) or "no message"
    return Cause(type=type(error).__name__, message=message[:500], fix=_fix(error), tail=tail)


def cause_of_exit(exit_code: int | None, tail: list[str]) -> Cause:
    """Describe the end of a cell's process that left no outcome behind."""
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        fix = f"if memory ran out, {_MEMORY_FIX}" if name == "SIGKILL" else "see the last lines of its output"
        return Cause(type=name, message=f"the cell's process was ended by {name}", fix=fix, tail=tail)
    return Cause(
        type="ProcessExit",
        message=f"the cell's process ended with exit code {exit_code} and left no record",
        fix="see the last lines of its output",
        tail=tail,
    )


def _fix(error: Exception) -> str:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return _MEMORY_FIX
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "free disk space and run the same command again"
    if isinstance(error, ValueError):
        return "correct the experiment file and run it again"
    return "see the last lines of its output; run the same command again to retry this cell"
