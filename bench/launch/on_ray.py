"""Runs cells on a Ray cluster: each is a task that returns its result, and only this process writes records.

So nodes need the package and the base models, and no file system in common. Ray ends the process of a task with the
task (`max_calls`), so that no cell shares one. A cell whose process or node dies is not tried again by Ray: like on one
machine it becomes a failed record, which the next run replaces.
"""

import logging
import os
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.launch.causes import cause_of
from rlvr_bench.launch.launcher import Listener, Queue
from rlvr_bench.launch.outcomes import failed_record, write_failure, write_result
from rlvr_bench.launch.output import own_tail, redirect_output
from rlvr_bench.launch.threads import limit_threads
from rlvr_bench.record.leftovers import temporary_folder
from rlvr_bench.record.schema import RunRecord

POLL_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OnRay:
    """A launcher on the cluster at `address`, or on one that is started here and ends with the run.

    Attributes:
        address: "host:port", "auto" or "ray://..."; None is $RAY_ADDRESS, else a cluster of this machine alone.
        cpus, gpus: what the cluster sets aside for each cell; no cpus given: one for each of its threads.
    """

    address: str | None = None
    cpus: float | None = None
    gpus: float = 0.0

    def __call__(
        self, cells: Iterable[Cell | None], results: Path, workers: int | None, threads: int, listen: Listener
    ) -> list[Outcome]:
        """See `Launcher`."""
        ray.init(address=self.address, log_to_driver=False, logging_level="warning")
        try:
            resources = {"num_cpus": threads if self.cpus is None else self.cpus, "num_gpus": self.gpus}
            return _RayCells(resources, threads, results, listen).run(Queue(cells), workers or _free_places(resources))
        finally:
            ray.shutdown()


def _free_places(resources: dict[str, float]) -> int:
    """Return how many cells the cluster has room for now, at least one; says so when there is none."""
    available = ray.cluster_resources()
    needs = {"CPU": resources["num_cpus"], "GPU": resources["num_gpus"]}
    room = int(min((available.get(name, 0.0) // each for name, each in needs.items() if each), default=1))
    if room < 1:
        wants = " and ".join(f"{each:g} {name}" for name, each in needs.items() if each)
        logger.warning("the cluster has no room for a cell of %s now; cells wait until it has", wants)
    return max(room, 1)


@ray.remote(num_cpus=0)
class _Mailbox:
    """Events of running cells, until the launcher takes them."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, Event]] = []

    def send(self, cell_id: str, event: Event) -> None:
        self._messages.append((cell_id, event))

    def take(self) -> list[tuple[str, Event]]:
        messages, self._messages = self._messages, []
        return messages


@ray.remote(max_calls=1, max_retries=0)
def _result(cell: Cell, threads: int, mailbox: Any) -> Any:
    """Run a cell on its node; return its `CellResult`, or the record of its failure."""
    with temporary_folder() as folder:
        log = folder / f"{cell.id}.log"
        redirect_output(log)
        # OpenMP reads these when torch is imported, which nothing before has done: the process is this cell's own.
        limit_threads(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        try:
            import torch

            from rlvr_bench.cell.run import run_cell

            torch.set_num_threads(threads)
            return run_cell(cell, lambda event: mailbox.send.remote(cell.id, event))
        except Exception as error:  # noqa: BLE001 - the boundary of the cell: any error becomes its record
            traceback.print_exc()
            return failed_record(cell, cause_of(error, own_tail(log)))


class _RayCells:
    """The cells of one call: those that run, and what they say."""

    def __init__(self, resources: dict[str, float], threads: int, results: Path, listen: Listener) -> None:
        self._task = _result.options(**resources)
        self._threads, self._results, self._listen = threads, results, listen
        self._mailbox = _Mailbox.remote()  # type: ignore[attr-defined]
        self._running: dict[Any, Cell] = {}

    def run(self, queue: Queue, workers: int) -> list[Outcome]:
        """Run cells, `workers` at a time."""
        outcomes = []
        try:
            while queue.more or self._running:
                for cell in queue.take(workers - len(self._running)):
                    self._running[self._task.remote(cell, self._threads, self._mailbox)] = cell
                if not self._running:
                    time.sleep(POLL_SECONDS if queue.more else 0)
                    continue
                ended, _ = ray.wait(list(self._running), timeout=POLL_SECONDS)
                self._pass_on()
                for task in ended:
                    if task in self._running:  # else the listener stopped it meanwhile
                        outcomes.append(self._end(task, self._running.pop(task)))
        finally:
            for task in self._running:
                ray.cancel(task, force=True)
        return outcomes

    def _pass_on(self) -> None:
        """Pass on what running cells say, and stop those that the listener has enough of."""
        by_id = {cell.id: (task, cell) for task, cell in self._running.items()}
        messages = ray.get(self._mailbox.take.remote())
        for cell_id, event in messages:
            task, cell = by_id.get(cell_id, (None, None))
            if cell is not None and task in self._running and self._listen(cell, event):
                ray.cancel(task, force=True)
                del self._running[task]
        if not messages and self._running:
            self._listen(next(iter(self._running.values())), None)

    def _end(self, task: Any, cell: Cell) -> Outcome:
        outcome = self._write(task, cell)
        self._listen(cell, outcome)
        return outcome

    def _write(self, task: Any, cell: Cell) -> Outcome:
        try:
            result = ray.get(task)
        except RayError as error:  # its process or its node is gone
            result = failed_record(cell, cause_of(error, []))
        write = write_failure if isinstance(result, RunRecord) else write_result
        return write(cell, self._results, result)
