"""What a running grid leaves for other terminals: `.live.json` in the results folder, renewed about once a second.

It is no result and nothing depends on it. Who reads it learns from the folder's lock whether the grid still runs.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.launch.launcher import Launcher, Listener
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.lock import LOCK_FILE

LIVE_FILE = ".live.json"
RENEW_SECONDS = 1.0
MOST_FAILURES = 20
"""Failures that are kept, the last ones."""


@dataclass(frozen=True, slots=True)
class WithLiveState:
    """A launcher that writes down what the cells of another one say."""

    launch: Launcher

    def __call__(
        self, cells: Iterable[Cell | None], results: Path, workers: int | None, threads: int, listen: Listener
    ) -> list[Outcome]:
        """See `Launcher`."""
        state = _LiveState(results, len(cells) if isinstance(cells, list) else None, listen)
        try:
            return self.launch(cells, results, workers, threads, state)
        finally:
            state.end()


class _LiveState:
    """A listener between a launcher and the one that it would tell."""

    def __init__(self, results: Path, total: int | None, listen: Listener) -> None:
        self._path, self._listen, self._written = results / LIVE_FILE, listen, 0.0
        self._running: dict[str, dict[str, Any]] = {}
        self._document: dict[str, Any] = {
            "process": os.getpid(),
            "started": time.time(),
            "total": total,
            "ended": {},
            "failures": [],
            "running": [],
        }
        self._write()

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> bool | None:
        stopped = self._listen(cell, message)
        if isinstance(message, Outcome) or stopped:
            self._running.pop(cell.id, None)
        if isinstance(message, Outcome):
            self._count(message)
        elif message is not None and not stopped:
            self._running.setdefault(cell.id, _begun(cell)).update(
                stage=message.stage, step=message.done, steps=message.total, accuracy=message.accuracy
            )
        if isinstance(message, Outcome) or time.monotonic() - self._written > RENEW_SECONDS:
            self._write()
        return stopped

    def end(self) -> None:
        """Write down that nothing runs any more."""
        self._running.clear()
        self._write()

    def _count(self, outcome: Outcome) -> None:
        ended, failures = self._document["ended"], self._document["failures"]
        ended[outcome.status] = ended.get(outcome.status, 0) + 1
        if outcome.status != "done":
            failures.append({"name": f"{outcome.method_name} seed {outcome.seed}"} | _why(outcome))
            del failures[:-MOST_FAILURES]

    def _write(self) -> None:
        self._written = time.monotonic()
        document = self._document | {"running": list(self._running.values()), "renewed": time.time()}
        try:
            write_whole(self._path, json.dumps(document, indent=1) + "\n")
        except RecordError:  # a full disk: no cell may end because nobody can watch it
            return


def live_state(results: Path) -> dict[str, Any] | None:
    """Return what the last grid of a results folder wrote, with `runs`: whether it still does; None without one.

    Raises:
        RecordError: the file cannot be read.
    """
    try:
        document: dict[str, Any] = json.loads((results / LIVE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise RecordError(f"{results / LIVE_FILE} cannot be read ({error}); delete it") from error
    return document | {"runs": _is_held(results / LOCK_FILE)}


def _is_held(path: Path) -> bool:
    """Whether another process holds a lock of this file."""
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(lock, fcntl.LOCK_UN)
    return False


def _begun(cell: Cell) -> dict[str, Any]:
    return {"name": f"{cell.method_name} seed {cell.seed}", "comparison": cell.comparison, "since": time.time()}


def _why(outcome: Outcome) -> dict[str, str]:
    return {"cell_id": outcome.cell_id, "status": outcome.status, "message": outcome.message}
