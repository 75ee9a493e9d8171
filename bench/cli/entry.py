"""The process of a command: its signals, its standard streams, and what becomes of an error.

Nothing heavy is imported before Ctrl-C is taken care of. The first Ctrl-C stops the work in order; a second one, or one
that comes while a module is imported, ends the process at once. Neither loses a record: they are written whole, cells
end with their parent, and locks are the kernel's. What is left in temporary folders is swept by the next command that
writes.
"""

import errno
import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

DEBUG = "--debug"
INTERRUPTED_EXIT = 130
OUTPUT_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE)
"""What a stream says that cannot be written; errors of files name their file."""

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Python's own are 700: to look that often through what a verb has read takes up to a sixth of its time."""

SYMLINK_LOOP = "Symlink loop from"
LONGEST_NAME = 200
"""Characters of a path that a sentence repeats."""

SHOW_CURSOR = "\x1b[?25h"


def main() -> None:
    """Run the command line; without --debug, no traceback reaches the user."""
    _open_closed_streams()
    interrupts = _Interrupts()
    signal.signal(signal.SIGINT, interrupts)
    sys.unraisablehook = interrupts.unraisable
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    debug = DEBUG in sys.argv  # wherever it stands
    sys.argv = [word for word in sys.argv if word != DEBUG]
    try:
        code = _run(debug)
        sys.stdout.flush()
    except OSError as error:
        _silence_output()
        code = (
            1
            if error.errno == errno.EPIPE
            else _fail(f"cannot write the output ({error.strerror}); free some space, or send it elsewhere", 1)
        )
    if interrupts.came:
        # Python ends with the signal itself, not with a code, where the interrupt came while it ran a text (exec).
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(debug: bool) -> int:
    try:
        from rlvr_bench.cli.main import app
        from rlvr_bench.launch.threads import let_idle_threads_sleep

        let_idle_threads_sleep()  # before any verb imports torch
        app()
    except KeyboardInterrupt:
        return _fail(f"interrupted{_during()}", INTERRUPTED_EXIT)
    except SystemExit as end:
        interrupted = end.__context__ is not None and isinstance(end.__context__.__cause__, KeyboardInterrupt)
        if interrupted:  # typer's words for it are an exit code
            return _fail(f"interrupted{_during()}", INTERRUPTED_EXIT)
        return end.code if isinstance(end.code, int) else 0 if end.code is None else _fail(str(end.code), 1)
    except Exception as error:  # the boundary to the user
        if debug or (isinstance(error, OSError) and error.filename is None and error.errno in OUTPUT_LOST):
            raise
        return _fail(*_sentence(error))
    return 0


class _Interrupts:
    """The handler of Ctrl-C."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Interrupt the work; the second time, or while a module is imported, end the process.

        An import has nothing to put in order, and extension modules (torch) call back into Python from C++ that
        ends in abort(), with a stack of its own on stderr, where an exception comes out of the callback.
        """
        if self.came or _importing(frame):
            self._end()
        self.came = True
        raise KeyboardInterrupt

    def unraisable(self, problem: "sys.UnraisableHookArgs") -> None:
        """End the process where an interrupt came in a place that cannot pass it on; else do as Python does."""
        if issubclass(problem.exc_type, KeyboardInterrupt):
            self._end()
        sys.__unraisablehook__(problem)

    @staticmethod
    def _end() -> NoReturn:
        # Written past the buffers, which the interrupted code may hold.
        words = f"{SHOW_CURSOR if os.isatty(2) else ''}rlvr-bench: interrupted{_during()}\n"
        try:
            os.write(2, words.encode())
        finally:
            os._exit(INTERRUPTED_EXIT)


def _during() -> str:
    """Return " while ..." where a plug-in is being imported; nothing is imported to find that out."""
    importing = sys.modules.get("rlvr_bench.plugins.importing")
    plugin = importing.plugin_at_work() if importing is not None else None
    return "" if plugin is None else f" while importing {plugin}; mend or uninstall it"


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return True
        frame = frame.f_back
    return False


def _open_closed_streams() -> None:
    """Point standard streams that the caller closed nowhere: else the next file that is opened would be one of them."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))


def _silence_output() -> None:
    """Drop what cannot be written: else the interpreter tries again at its end, and complains."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _fail(sentence: str, code: int) -> int:
    from rlvr_bench.console.text import say

    try:
        say(f"rlvr-bench: {sentence}")
    except OSError:  # stderr is full or closed, too: the exit code says it
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return code


def _sentence(error: Exception) -> tuple[str, int]:
    """Return what to say of an error, and the exit code."""
    from rlvr_bench.audit.errors import AuditError
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.geometry.errors import GeometryError
    from rlvr_bench.methods.errors import MethodError
    from rlvr_bench.models.errors import ModelError
    from rlvr_bench.plugins.file import PluginError
    from rlvr_bench.record.errors import RecordError, ResultsInUseError
    from rlvr_bench.studies.errors import FindingsError
    from rlvr_bench.tasks.errors import TaskError
    from rlvr_bench.thinking.errors import ThinkingError

    wrong = (
        AuditError,
        ExperimentError,
        FindingsError,
        GeometryError,
        MethodError,
        ModelError,
        PluginError,
        ResultsInUseError,
        TaskError,
        ThinkingError,
    )
    if isinstance(error, wrong):
        return str(error), 2
    if isinstance(error, RecordError):
        return str(error), 1
    if isinstance(error, OSError) and error.filename is not None:
        name = str(error.filename)
        shown = name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
        return f"cannot use {shown} ({error.strerror}); give the path of a file or folder that can be used", 2
    if isinstance(error, RuntimeError) and str(error).startswith(SYMLINK_LOOP):  # before Python 3.13, which has ELOOP
        return f"{error}; give the path of a file or folder that can be used", 2
    return f"internal error: {type(error).__name__}: {error}; run it again with --debug and report what it says", 1
