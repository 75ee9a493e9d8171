"""How a build reports: a bar on a terminal, a line every half minute elsewhere. Writes to stderr."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

LINE_EVERY = 30.0


class Reporter:
    """Progress of one build. Use as a context manager, so that the bar is taken down."""

    def __init__(self, console: Console | None = None) -> None:
        """Report to `console`, by default to stderr."""
        self._console = console or Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.2f}"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._name, self._steps, self._spoke = "", 0, time.monotonic()

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the bar down."""
        self._bar.stop()

    def begin(self, name: str, steps: int) -> None:
        """A build of `steps` optimizer steps starts, or goes on."""
        self._name, self._steps = name, steps
        self._task = self._bar.add_task(name, total=steps, loss=float("nan"))

    def update(self, step: int, loss: float) -> None:
        """`step` steps are done; `loss` in nats per answer."""
        if self._task is not None:
            self._bar.update(self._task, completed=step, loss=loss)
        now = time.monotonic()
        if not self._console.is_terminal and (now - self._spoke > LINE_EVERY or step == self._steps):
            self._spoke = now
            self._console.print(f"{self._name}: step {step} of {self._steps}, loss {loss:.2f}")

    def message(self, text: str) -> None:
        """Say what is done now."""
        self._console.print(text)
