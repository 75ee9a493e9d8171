"""Persistent child processes that run math-verify, killed and started again when an item takes too long.

A child is a plain command that speaks JSON lines over pipes. That works where a `multiprocessing` child does not: in
threads, in daemonic workers, in processes forked while a child was running, in scripts without a main guard; and it
needs no pickle. A pool of two serves one process, so that one hang does not hold up everything; threads take turns.
"""

import atexit
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from rlvr_bench.tasks.errors import TaskError

MAX_EXPRESSION, MAX_PAIRS = 1_000, 5
"""Characters of an expression, and pairs of expressions in a request: it has to fit into a pipe (64 KiB), whatever it
holds, so that writing it never blocks. Longer expressions are not compared."""

POOL_SIZE = 2
START_SECONDS = 120.0
WALL_FACTOR = 10.0
"""By the clock a comparison may take so many times its limit of processor time, for the machine may be busy."""

MAX_COMPARISONS = 2_000
"""A child is replaced after so many: its memory grows by 10 to 130 kB with each."""

_EXHAUSTED = ("MemoryError", "RecursionError", "SystemError", "OSError")
"""Errors after which a child is not trusted with another comparison."""

_COMMAND = (sys.executable, "-P", "-u", str(Path(__file__).with_name("math_worker.py")))


@dataclass(slots=True)
class Losses:
    """What went wrong in the comparisons of this process so far."""

    seconds: float = 0.0
    """Wall-clock time of comparisons that ended in no verdict, in seconds."""
    causes: Counter[str] = field(default_factory=Counter)
    """How many by cause: "limit" (time limit, or the child ended), "length", else the name of an exception."""
    replaced: int = 0
    """Children that were ended and started anew, for a failure or after MAX_COMPARISONS."""

    def __add__(self, other: "Losses") -> "Losses":
        return Losses(self.seconds + other.seconds, self.causes + other.causes, self.replaced + other.replaced)


class MathProcess:
    """A child process that compares answers, one at a time, each within a limit."""

    def __init__(self, command: tuple[str, ...] = _COMMAND) -> None:
        """Nothing is started before the first comparison."""
        self.losses = Losses()
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._compared = 0
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this object; a pipe could fill up
        self._lock = threading.Lock()
        self._buffer = b""
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def all_equal(self, pairs: Sequence[tuple[str, str]], seconds: float) -> bool | None:
        """Whether in all pairs of LaTeX expressions, gold and answer, the two are equal.

        None if that failed: it took more than `seconds` of processor time, ended the child, or raised in math-verify.
        Raises TaskError if the child cannot be started at all.
        """
        if len(pairs) > MAX_PAIRS:
            return self._in_parts(pairs, seconds)
        if any(len(text) > MAX_EXPRESSION for pair in pairs for text in pair):
            self.losses.causes["length"] += 1
            return None
        line = json.dumps({"pairs": pairs, "seconds": seconds}, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            child = self._running()
            started = time.monotonic()
            reply = self._ask(child, line, seconds * WALL_FACTOR) or {"error": "limit"}
            self._compared += 1
            cause = reply.get("error")
            if cause is None:
                equal: bool = reply["equal"]
                return equal
            self.losses.seconds += time.monotonic() - started
            self.losses.causes[cause] += 1
            if cause == "limit" or cause in _EXHAUSTED:
                self._replace()
            return None

    def close(self) -> None:
        """End the child, if there is one; a later comparison starts another."""
        with self._lock:
            self._stop()

    def _in_parts(self, pairs: Sequence[tuple[str, str]], seconds: float) -> bool | None:
        for place in range(0, len(pairs), MAX_PAIRS):
            equal = self.all_equal(pairs[place : place + MAX_PAIRS], seconds)
            if not equal:
                return equal
        return True

    def _running(self) -> subprocess.Popen[bytes]:
        if self._compared >= MAX_COMPARISONS:
            self._replace()
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._stop()
        child = subprocess.Popen(
            self._command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints
        )
        self._child, self._compared = child, 0
        if self._read_line(child, START_SECONDS) is None:
            self._stop()
            self._complaints.seek(0)
            last = (self._complaints.read().decode(errors="replace").strip().splitlines() or ["no message"])[-1]
            raise TaskError(f"math-verify could not be started ({last}): install 'math-verify[antlr4_11_0]'.")
        return child

    def _ask(self, child: subprocess.Popen[bytes], line: bytes, seconds: float) -> dict[str, Any] | None:
        assert child.stdin is not None
        try:
            child.stdin.write(line)
        except BrokenPipeError:  # the child ended between two requests
            return None
        return self._read_line(child, seconds)

    def _read_line(self, child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any] | None:
        """The next reply; None if none comes in time or the child has ended."""
        assert child.stdout is not None
        deadline = time.monotonic() + seconds
        waiting = select.poll()  # not select.select, which refuses file numbers above 1023
        waiting.register(child.stdout, select.POLLIN)
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                return None
            piece = os.read(child.stdout.fileno(), 65536)
            if not piece:
                return None
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _replace(self) -> None:
        self._stop()
        self._compared = 0
        self.losses.replaced += 1

    def _stop(self) -> None:
        child, self._child, self._buffer = self._child, None, b""
        if child is not None:
            child.kill()
            child.communicate()

    def _forget(self) -> None:
        """In a forked process: leave the parent's child alone, and close the copies of its pipes."""
        child, self._child, self._buffer = self._child, None, b""
        self._lock = threading.Lock()
        self._compared = 0
        if child is not None:
            child.returncode = 0  # not ours to wait for
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()


class MathPool:
    """A few children, of which a comparison takes one that is idle; the second is started when the first is busy."""

    def __init__(self, size: int = POOL_SIZE, process: Callable[[], MathProcess] = MathProcess) -> None:
        """Nothing is started before the first comparison."""
        self._processes = [process() for _ in range(size)]
        self._all_idle()
        os.register_at_fork(after_in_child=self._all_idle)

    @property
    def losses(self) -> Losses:
        """What went wrong so far, in all children."""
        return sum((process.losses for process in self._processes), Losses())

    def all_equal(self, pairs: Sequence[tuple[str, str]], seconds: float) -> bool | None:
        """See `MathProcess.all_equal`."""
        process = self._idle.get()
        try:
            return process.all_equal(pairs, seconds)
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End all children; a later comparison starts them again."""
        for process in self._processes:
            process.close()

    def _all_idle(self) -> None:
        """The child that was used last comes first, so that a second one is started only where the first is busy."""
        self._idle: queue.LifoQueue[MathProcess] = queue.LifoQueue()
        for process in reversed(self._processes):
            self._idle.put(process)


@cache
def shared_pool() -> MathPool:
    """The one pool of this process (after a fork: of the forked process)."""
    return MathPool()
