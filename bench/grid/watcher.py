"""Whom a grid tells how far it is: the command line's display, or nobody."""

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.console import progress
from rlvr_bench.experiment.cell import Cell


class CellListener(Protocol):
    """Hears of cells that run; see `launch.launcher.Listener`."""

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> None:
        """Take one message of a cell; None says only that time has passed."""
        ...

    def forget(self, cell: Cell) -> None:
        """Take note that a cell was stopped, and has no outcome."""
        ...


class GridWatcher(progress.Watcher, Protocol):
    """A watcher that also hears of cells."""

    def cells(self, total: int) -> AbstractContextManager[CellListener]:
        """Return the listener of a stage of so many cells."""
        ...


class Unwatched(progress.Unwatched):
    """A grid that nobody watches."""

    def cells(self, total: int) -> AbstractContextManager[CellListener]:
        """Return a listener that drops what it hears."""
        return nullcontext(_Deaf())


class _Deaf:
    def __call__(self, cell: Cell, message: Event | Outcome | None) -> None:
        pass

    def forget(self, cell: Cell) -> None:
        pass
