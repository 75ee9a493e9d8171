"""A running grid in the terminal: a bar for all cells and one for each that runs, or a line every 30 s."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.console.bars import Bar, Bars
from rlvr_bench.experiment.cell import Cell


class GridDisplay(Bars):
    """The `grid.watcher.GridWatcher` of the command line."""

    @contextmanager
    def cells(self, total: int) -> Iterator["CellsDisplay"]:
        """Yield the listener of a stage of so many cells."""
        display = CellsDisplay(self, total)
        try:
            yield display
        finally:
            display.close()


class CellsDisplay:
    """Listens to the cells of one stage and draws them."""

    def __init__(self, bars: Bars, total: int) -> None:
        self._bars, self._total, self._ended = bars, total, 0
        self._all = bars.add("cells", total)
        self._running: dict[str, Bar] = {}
        self._started = time.monotonic()

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> None:
        """Take one message of a cell; None says only that time has passed."""
        if isinstance(message, Outcome):
            self._end(cell, message)
        elif message is not None:
            self._draw(cell, message)
        self._bars.tick()

    def forget(self, cell: Cell) -> None:
        """Take away the bar of a cell that was stopped."""
        if cell.id in self._running:
            self._bars.end(self._running.pop(cell.id))

    def close(self) -> None:
        """Take all bars away."""
        for bar in (self._all, *self._running.values()):
            self._bars.end(bar)

    def _draw(self, cell: Cell, event: Event) -> None:
        if cell.id not in self._running:
            self._running[cell.id] = self._bars.add(_name(cell), 0)
        self._running[cell.id].update(event.done, total=event.total, note=_note(event))

    def _end(self, cell: Cell, outcome: Outcome) -> None:
        self._ended += 1
        self.forget(cell)
        self._all.update(self._ended, note=self._time_left())
        if outcome.status != "done":
            self._bars.say(f"{_name(cell)}: {outcome.status}: {outcome.message}")

    def _time_left(self) -> str:
        each = (time.monotonic() - self._started) / self._ended
        return f"about {each * (self._total - self._ended) / 60:.0f} min left"


def _name(cell: Cell) -> str:
    return f"{cell.method_name} seed {cell.seed}"


def _note(event: Event) -> str:
    parts: list[str] = [event.stage]
    if event.reward is not None:
        parts.append(f"reward {event.reward:.2f}")
    if event.accuracy is not None:
        parts.append(f"accuracy {event.accuracy:.2f}")
    return " ".join(parts)
