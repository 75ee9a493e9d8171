"""Shows a running experiment: bars on a terminal, a line every 30 s without one."""

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rlvr_bench.cell.events import Event, Outcome
from rlvr_bench.experiment.cell import Cell

LINE_EVERY_SECONDS = 30.0


class RunDisplay:
    """Listens to cells and draws them; messages go to stderr, so that stdout stays for results."""

    def __init__(self, total: int) -> None:
        self._console = Console(stderr=True)
        self._total, self._ended = total, 0
        self._started = self._last_line = time.monotonic()
        self._running: dict[str, tuple[str, Event]] = {}
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> "RunDisplay":
        self._progress.start()
        self._all = self._progress.add_task("cells", total=self._total, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, cell: Cell, message: Event | Outcome | None) -> None:
        """Take one message of a cell; None says only that time has passed."""
        name = f"{cell.method_name} seed {cell.seed}"
        if isinstance(message, Outcome):
            self._end(cell, name, message)
        elif message is not None:
            self._running[cell.id] = (name, message)
            self._draw(cell, name, message)
        if not self._console.is_terminal and time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._line()

    def forget(self, cell: Cell) -> None:
        """Take away the bar of a cell that was stopped."""
        self._running.pop(cell.id, None)
        if cell.id in self._bars:
            self._progress.remove_task(self._bars.pop(cell.id))

    def _draw(self, cell: Cell, name: str, event: Event) -> None:
        if cell.id not in self._bars:
            self._bars[cell.id] = self._progress.add_task(name, total=max(event.total, 1), note=event.stage)
        self._progress.update(
            self._bars[cell.id], completed=event.done, total=max(event.total, 1), note=_note(event), refresh=False
        )

    def _end(self, cell: Cell, name: str, outcome: Outcome) -> None:
        self._ended += 1
        self._running.pop(cell.id, None)
        if cell.id in self._bars:
            self._progress.remove_task(self._bars.pop(cell.id))
        self._progress.update(self._all, advance=1, note=self._time_left())
        if outcome.status != "done":
            line = f"{name}: {outcome.status}: {outcome.message}"
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _line(self) -> None:
        self._last_line = time.monotonic()
        parts = [f"{self._ended}/{self._total} cells", self._time_left()]
        parts += [f"{name} {_note(event)}" for name, event in self._running.values()]
        self._console.print(" | ".join(part for part in parts if part), highlight=False, markup=False, soft_wrap=True)

    def _time_left(self) -> str:
        if not self._ended:
            return ""
        each = (time.monotonic() - self._started) / self._ended
        return f"about {each * (self._total - self._ended) / 60:.0f} min left"


def _note(event: Event) -> str:
    parts: list[str] = [event.stage]
    if event.total:
        parts.append(f"{event.done}/{event.total}")
    if event.reward is not None:
        parts.append(f"reward {event.reward:.2f}")
    if event.accuracy is not None:
        parts.append(f"accuracy {event.accuracy:.2f}")
    return " ".join(parts)
