"""A persistent child process that runs math-verify, killed and started again when an item takes too long.

The child is a plain command that speaks JSON lines over pipes. That works where a `multiprocessing` child does not: in
threads, in daemonic workers, in processes forked while a child was running, in scripts without a main guard; and it
needs no pickle. One child serves one process; threads take turns.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rlvr_bench.tasks.errors import TaskError

MAX_COMPLETION, MAX_GOLD = 8_000, 2_000
"""Characters that are looked at (of a completion the last ones): a request has to fit into a pipe (64 KiB), whatever it
holds, so that writing it never blocks."""

START_SECONDS = 120.0
_COMMAND = (sys.executable, "-P", "-u", str(Path(__file__).with_name("math_worker.py")))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What math-verify says: the answer as written (None: there is none) and whether it equals the gold answer."""

    parsed: str | None
    correct: bool


class MathProcess:
    """A child process that compares answers, one at a time, each within a wall-clock limit."""

    def __init__(self, command: tuple[str, ...] = _COMMAND) -> None:
        """Nothing is started before the first comparison."""
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as this object; a pipe could fill up
        self._lock = threading.Lock()
        self._buffer = b""
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def compare(self, gold: str, completion: str, seconds: float) -> Comparison | None:
        """None if the comparison failed: took longer than `seconds`, ended the child, or raised in math-verify.

        Raises TaskError if the child cannot be started at all.
        """
        request = {"gold": gold[:MAX_GOLD], "completion": completion[-MAX_COMPLETION:], "seconds": seconds}
        line = json.dumps(request, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            child = self._running()
            reply = self._ask(child, line, seconds)
            if reply is None:
                self._stop()
                return None
        if "error" in reply:
            return None
        return Comparison(reply["parsed"], reply["correct"])

    def close(self) -> None:
        """End the child, if there is one; a later comparison starts another."""
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._child is not None and self._child.poll() is None:
            return self._child
        self._stop()
        child = subprocess.Popen(
            self._command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._complaints
        )
        self._child = child
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

    def _stop(self) -> None:
        child, self._child, self._buffer = self._child, None, b""
        if child is not None:
            child.kill()
            child.communicate()

    def _forget(self) -> None:
        """In a forked process: leave the parent's child alone, and close the copies of its pipes."""
        child, self._child, self._buffer = self._child, None, b""
        self._lock = threading.Lock()
        if child is not None:
            child.returncode = 0  # not ours to wait for
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()


@cache
def shared_process() -> MathProcess:
    """The one child of this process (after a fork: of the forked process)."""
    return MathProcess()
