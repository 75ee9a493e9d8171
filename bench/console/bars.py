"""Progress of long work on stderr: bars on a terminal, a line every 30 s without one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Task as ShownBar
from rich.text import Text

from rlvr_bench.console.progress import Report
from rlvr_bench.console.text import printable

LINE_EVERY_SECONDS = 30.0


class Bar:
    """One bar: a name, how much is done of what, and a note."""

    def __init__(self, progress: Progress, name: str, total: float) -> None:
        self._progress = progress
        self._task: TaskID = progress.add_task(printable(name), total=total, note="")

    @property
    def line(self) -> str:
        """The bar in words: "cells 3/10 about 2 min left"."""
        task = self._shown
        return " ".join(part for part in (task.description, _amount(task), task.fields["note"]) if part)

    def update(self, done: float, *, total: float | None = None, name: str | None = None, note: str = "") -> None:
        """Show how far it is; a total and a name that are not given stay as they are."""
        name = None if name is None else printable(name)
        self._progress.update(
            self._task, completed=done, total=total, description=name, note=printable(note), refresh=False
        )

    def end(self) -> None:
        """Take the bar away."""
        self._progress.remove_task(self._task)

    @property
    def _shown(self) -> ShownBar:
        return next(task for task in self._progress.tasks if task.id == self._task)


class Bars:
    """The bars of one command, as a context; also a `progress.Watcher`, whose stages each get a bar of their own."""

    def __init__(self, file: IO[str] | None = None) -> None:
        """Draw on `file`, by default on stderr, so that stdout stays for results."""
        self._console = Console(file=file) if file is not None else Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _Amount(),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bars: list[Bar] = []
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def terminal(self) -> Console | None:
        """The console where it is a terminal."""
        return self._console if self._console.is_terminal else None

    def add(self, name: str, total: float = 1.0) -> Bar:
        """Start a bar; a total of 1 is shown as a share, another as a count, 0 as nothing."""
        self._bars.append(Bar(self._progress, name, total))
        return self._bars[-1]

    def end(self, bar: Bar) -> None:
        """Take a bar away."""
        self._bars.remove(bar)
        bar.end()

    def tick(self) -> None:
        """Without a terminal, print the line on all bars if it is time."""
        if not self._console.is_terminal and time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            self.say(" | ".join(bar.line for bar in self._bars))

    def say(self, *sentences: str) -> None:
        """Print sentences above the bars."""
        for sentence in sentences:
            self._console.print(Text(printable(sentence)), soft_wrap=True)

    @contextmanager
    def bar(self, name: str) -> Iterator[Report]:
        """Yield the progress of a stage."""
        bar = self.add(name)

        def report(message: str, done: float) -> None:
            bar.update(done, note=message)
            self.tick()

        try:
            yield report
        finally:
            self.end(bar)


class _Amount(MofNCompleteColumn):
    """How much of a bar is done: a share, or a count."""

    def render(self, task: ShownBar) -> Text:
        return Text(_amount(task), style="progress.download")


def _amount(task: ShownBar) -> str:
    if not task.total:
        return ""
    return f"{task.completed:.0%}" if task.total == 1 else f"{task.completed:.0f}/{task.total:.0f}"
