"""The live view of parallel thinking: one bar a trace with its score and state, redrawn while tokens are decoded."""

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from rlvr_bench.thinking.live import Pruner

WIDTH = 24
STYLES = {"running": "cyan", "ended": "green", "dropped": "red"}


class LiveView:
    """A context in which `watch` may be given to `live.think`; shows nothing where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, refresh_per_second=12, transient=True) if console.is_terminal else None
        self._title = ""

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def title(self, text: str) -> None:
        """What the traces that follow are about."""
        self._title = text

    def watch(self, pruner: Pruner, read: int) -> None:
        """Redraw; see `live.Watch`."""
        if self._live is not None:
            self._live.update(bars(pruner, read, self._title))


def bars(pruner: Pruner, read: int, title: str) -> Table:
    """One line per trace: its newest score as a bar, its state, the tokens it has read."""
    table = Table(title=escape(title), box=None, title_justify="left", pad_edge=False)
    for column in ("trace", "score", "", "state", "tokens"):
        table.add_column(column, no_wrap=True)
    for row, readings in enumerate(pruner.readings):
        state = "dropped" if pruner.dropped[row] else "ended" if pruner.done[row] else "running"
        place, score = (read, None) if not readings else list(readings.items())[-1]
        filled = 0 if score is None else round(WIDTH * min(1.0, max(0.0, score)))
        bar = "█" * filled + "·" * (WIDTH - filled)
        tokens = read if state == "running" else place
        shown = "" if score is None else f"{score:.2f}"
        table.add_row(str(row), shown, f"[{STYLES[state]}]{bar}[/]", state, str(tokens))
    return table
