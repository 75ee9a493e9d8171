"""Parallel thinking in the terminal: a bar a trace while tokens are decoded, then a line a problem and the summary."""

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlvr_bench.console.text import printable
from rlvr_bench.thinking.live import Pruner, Watch

WIDTH = 24
STYLES = {"running": "cyan", "ended": "green", "dropped": "red"}


class LiveView:
    """A context that draws traces while `thinking.answer` decodes them; without a terminal (None) it shows nothing."""

    def __init__(self, console: Console | None) -> None:
        self._live = None if console is None else Live(console=console, refresh_per_second=12, transient=True)

    def __enter__(self) -> Callable[[str], Watch]:
        if self._live is not None:
            self._live.start()
        return lambda question: partial(self._draw, question)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def _draw(self, question: str, pruner: Pruner, read: int) -> None:
        if self._live is not None:
            self._live.update(bars(pruner, read, question))


def answer_lines(document: Mapping[str, Any]) -> list[str]:
    """Return a line per problem and per figure of the summary of `answering.answer_problems`."""
    lines = []
    for entry in document["problems"]:
        mark = "right" if entry["correct"] else "wrong"
        share = "" if entry["share"] is None else f", share {entry['share']:.2f}"
        lines.append(
            f"{entry['question']}  {entry['answer']} ({mark}, {entry['state']}{share}; {entry['tokens']} tokens)"
        )
    lines += [f"{key}: {_figure(value)}" for key, value in document["summary"].items()]
    return lines + ([promise_line(document["promise"])] if document["promise"] else [])


def promise_line(promise: Mapping[str, Any]) -> str:
    """Return what is promised and what it saves, or that nothing is; of `promise.choose`."""
    terms = f"loses at most {100 * promise['max_loss']:g} points against the full vote"
    if promise["max_dropped"] < 1:
        terms += f" and drops at most {100 * promise['max_dropped']:g} % of the right traces"
    basis = f"{100 * promise['confidence']:g} % confidence, {promise['problems']} calibration problems"
    if promise["policy"] == "full":
        return (
            f"promise: none, so all traces run; it cannot be promised that a policy {terms} and saves"
            f" tokens ({basis}); more problems: --set validation=N"
        )
    saved = f"{100 * (1 - promise['tokens_share']):.0f} % of the tokens"
    return f"promise: {promise['policy']} {terms} ({basis}) and saves {saved}"


def _figure(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def bars(pruner: Pruner, read: int, title: str) -> Table:
    """One line per trace: its newest score as a bar, its state, the tokens it has read."""
    table = Table(title=Text(printable(title)), box=None, title_justify="left", pad_edge=False)
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
