"""The import of a plug-in, which is another package's code and may never end.

After some seconds a sentence names the plug-in that is waited for, and whoever presses Ctrl-C is told it too
(`plugin_at_work`). What stops one that never ends is `trial`.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

PATIENCE = 10.0
"""Seconds until an import is named."""

_at_work: list[str] = []


@contextmanager
def naming(plugin: str) -> Iterator[None]:
    """Say on stderr that `plugin` is still being imported if that takes longer than `PATIENCE`."""
    shown = "".join(filter(str.isprintable, plugin))  # a path may hold what steers a terminal
    timer = Timer(PATIENCE, _say, [shown])
    timer.daemon = True
    _at_work.append(shown)
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        timer.cancel()
        raise  # it stays named: the command that ends now says what it was waiting for
    except BaseException:
        _end(timer)
        raise
    _end(timer)


def _end(timer: Timer) -> None:
    timer.cancel()
    _at_work.pop()


def plugin_at_work() -> str | None:
    """Return the plug-in that is being imported, the innermost of several."""
    return _at_work[-1] if _at_work else None


def _say(plugin: str) -> None:
    sys.stderr.write(f"rlvr-bench: still importing {plugin}; wait, or press Ctrl-C and uninstall it\n")
    sys.stderr.flush()
