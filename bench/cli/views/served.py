"""A running grid in the terminal and, if it is asked for, as a page in the browser."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.cli.views.grid import GridDisplay
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.grid.watcher import CellListener
from rlvr_bench.report.live import LivePage


def grid_display(results: Path, port: int | None) -> AbstractContextManager[GridDisplay]:
    """Return the display of a grid; with a port (0: a free one) it also serves the page of its results folder.

    Raises:
        ServeError: the port cannot be bound.
    """
    return GridDisplay() if port is None else _served(results, port)


@contextmanager
def _served(results: Path, port: int) -> Iterator[GridDisplay]:
    from rlvr_bench.report.page import live_page

    with LivePage(partial(live_page, results), port) as page, ServedDisplay(page) as display:
        display.say(f"live page: {page.address}")
        yield display


class ServedDisplay(GridDisplay):
    """A display that tells the live page of every cell that ends."""

    def __init__(self, page: LivePage) -> None:
        """Draw in the terminal; `page` is being served."""
        super().__init__()
        self._page = page

    @contextmanager
    def cells(self, total: int) -> Iterator[CellListener]:  # type: ignore[override]
        """Yield the listener of a stage of so many cells."""
        self._page.stage(total)
        with super().cells(total) as listener:
            yield _Told(listener, self._page)


class _Told:
    """Hears of cells for a listener and for the page."""

    def __init__(self, listener: CellListener, page: LivePage) -> None:
        self._listener, self._page = listener, page

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> None:
        self._listener(cell, message)
        if isinstance(message, Outcome):
            self._page.ended()

    def forget(self, cell: Cell) -> None:
        self._listener.forget(cell)
