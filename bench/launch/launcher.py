"""What a place to run cells offers: this machine (`local`), or a Ray cluster (`on_ray`)."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Protocol

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.plugins.suggestion import did_you_mean

Listener = Callable[[Cell, Event | Outcome | None], bool | None]
"""Hears every event and outcome of a cell, and None about every second while nothing happens. To return True on an
event stops the cell, which then leaves no record and has no outcome."""

LAUNCHERS = ("local", "ray")

_END = object()


class Launcher(Protocol):
    """Runs cells, each in a process of its own, to their records."""

    def __call__(
        self, cells: Iterable[Cell | None], results: Path, workers: int | None, threads: int, listen: Listener
    ) -> list[Outcome]:
        """Run cells with `threads` threads each; return their outcomes in the order of their ends.

        On KeyboardInterrupt the running cells are ended (they will run again next time) and the interrupt goes on.

        Args:
            cells: a cell is taken when there is room for it; None says that there is none now, but may be later.
            results: where the records go; the caller holds its lock.
            workers: cells at a time; None for as many as the place has room for.
        """
        ...


class Queue:
    """Cells that have not been started yet; `more` says whether there may be any."""

    def __init__(self, cells: Iterable[Cell | None]) -> None:
        self._cells, self.more = iter(cells), True

    def take(self, room: int) -> Iterator[Cell]:
        """Yield at most `room` cells, fewer when there are no more now."""
        while self.more and room > 0:
            cell = next(self._cells, _END)
            self.more = cell is not _END
            if not isinstance(cell, Cell):
                return
            room -= 1
            yield cell


def launcher_of(
    name: str, address: str | None, cpus: float | None, gpus: float, processes: int = 1, shard: bool = False
) -> Launcher:
    """Return the launcher that a command asks for, with so many processes for each cell, which may share its model.

    Raises:
        ExperimentError: there is none of that name, it lacks its package, or it does not take these options.
    """
    if name not in LAUNCHERS:
        raise ExperimentError(f'--launcher: unknown launcher "{name}"{did_you_mean(name, LAUNCHERS)}')
    if shard and processes == 1:
        raise ExperimentError("--shard spreads a cell's model over its processes; add --processes 2 or more")
    if name == "local":
        if address is not None or cpus is not None or gpus:
            raise ExperimentError("--address, --cpus and --gpus are for a cluster; add --launcher ray to use one")
        from rlvr_bench.launch import local  # it imports this module
        from rlvr_bench.launch.live import WithLiveState

        return WithLiveState(partial(local.run, processes=processes, shard=shard))
    if processes > 1:
        raise ExperimentError("--processes shares a cell on one machine; leave it out with --launcher ray")
    try:
        from rlvr_bench.launch.live import WithLiveState
        from rlvr_bench.launch.on_ray import OnRay
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise ExperimentError('--launcher ray needs the package ray; install "rlvr-bench[ray]"') from error
    return WithLiveState(OnRay(address, cpus, gpus))
