"""The leaderboard and its difference to a reference, for a reader in a terminal.

One block per comparison, at most 120 columns wide. Without a terminal the same text comes without colour and frames.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import IO

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.record.columns import Row, Value
from bench.record.compare import Difference

PLAIN_WIDTH = 120
"""Width without a terminal: no line is cut there."""


def console(file: IO[str] | None = None) -> Console:
    """Return a console on `file` (default: standard output) that is wide and plain unless it is a terminal."""
    probe = Console(file=file)
    return probe if probe.is_terminal else Console(file=file, width=PLAIN_WIDTH, no_color=True)


def show(rows: Iterable[Row], file: IO[str] | None = None) -> None:
    """Print the leaderboard."""
    out = console(file)
    for comparison, group in groupby(rows, key=lambda row: str(row["comparison"])):
        block = list(group)
        out.print()
        out.print(f"[bold]{escape(comparison)}[/bold]  {escape(_setting(block[0]))}", highlight=False)
        out.print(_table(block, framed=out.is_terminal))
        for status, methods in _remarks(block).items():
            out.print(f"{escape(', '.join(methods))}: {escape(status)}", highlight=False)
    out.print()
    out.print(
        "Rows that share a letter cannot be told apart (95 % interval of their difference). Accuracy: greedy, test "
        "split, mean over seeds.",
        highlight=False,
    )


def show_differences(differences: Sequence[Difference], file: IO[str] | None = None) -> None:
    """Print a comparison with a reference leaderboard: one line a row and a summary."""
    out = console(file)
    table = _frame(out.is_terminal)
    for name, right in (("method", False), ("here", True), ("reference", True), ("difference [95 %]", True)):
        table.add_column(name, justify="right" if right else "left", no_wrap=not right or name != "method")
    table.add_column("against the reference", style="bold")
    for comparison, group in groupby(differences, key=lambda difference: difference.comparison):
        table.add_row(f"[bold]{escape(comparison)}[/bold]")
        for item in group:
            estimate = item.estimate
            interval = "" if estimate is None else _interval(estimate.mean, estimate.low, estimate.high, sign="+")
            table.add_row(
                f"  {escape(item.method)}", _percent(item.here), _percent(item.reference), interval, item.verdict
            )
    out.print(table)
    counts = {verdict: sum(item.verdict == verdict for item in differences) for verdict in _verdicts(differences)}
    out.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) or "nothing to compare")


def _table(rows: Sequence[Row], framed: bool) -> Table:
    table = _frame(framed)
    table.add_column("method", no_wrap=True)
    table.add_column("group")
    tested = any(row["accuracy"] is not None for row in rows)
    accuracy = "accuracy % [95 %]" if tested else "validation %"
    for name in (accuracy, "gain", "seeds", "train %", "lr", "sparsity", "KL", "tokens", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        gain, low, high = row["gain"], row["gain_lo"], row["gain_hi"]
        table.add_row(
            escape(str(row["method"])),
            str(row["rank_group"] or "-"),
            _interval(row["accuracy"], row["accuracy_lo"], row["accuracy_hi"])
            if tested
            else _percent(row["accuracy_validation"]),
            _interval(gain, low, high, sign="+"),
            _seeds(row),
            _short(row["trainable_share"], scale=100),
            _short(row["lr"]),
            _short(row["update_sparsity_bf16"]),
            _short(row["kl"]),
            _thousands(row["tokens"]),
            "" if row["seconds"] is None else f"{_float(row['seconds']):.0f}",
        )
    return table


def _remarks(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the methods by what is to be said of them, where that is more than that they are ranked."""
    remarks: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] not in ("ranked", "reference"):
            remarks.setdefault(str(row["status"]), []).append(str(row["method"]))
    return remarks


def _frame(framed: bool) -> Table:
    return Table(box=box.SIMPLE_HEAD if framed else None, pad_edge=False, header_style="bold")


def _setting(row: Row) -> str:
    names = ("base", "task", "signal", "reward")
    return " · ".join([*(str(row[name]) for name in names), f"{row['steps']} steps", f"{row['problems']} problems"])


def _seeds(row: Row) -> str:
    """Return scored seeds, with collapsed (c) and failed (f) ones named: "3", "3 1c", "2 1f"."""
    if row["seeds"] is None:
        return ""
    marks = [f"{row[name]}{name[0]}" for name in ("collapsed", "failed") if row[name]]
    return " ".join([str(row["seeds"]), *marks])


def _interval(mean: Value, low: Value, high: Value, sign: str = "") -> str:
    if mean is None:
        return ""
    if low is None or high is None:
        return _percent(mean, sign)
    return f"{_percent(mean, sign)} [{_percent(low, sign)}, {_percent(high, sign)}]".replace("[", r"\[")


def _percent(value: Value, sign: str = "") -> str:
    return "" if value is None else f"{100 * _float(value):{sign}.1f}"


def _short(value: Value, scale: float = 1) -> str:
    return "" if value is None else f"{_float(value) * scale:.3g}"


def _thousands(value: Value) -> str:
    return "" if value is None else f"{_float(value) / 1000:.0f}k"


def _float(value: Value) -> float:
    if isinstance(value, str) or value is None:
        raise TypeError(f"expected a number, got {value!r}")
    return float(value)


def _verdicts(differences: Sequence[Difference]) -> list[str]:
    return sorted({str(item.verdict) for item in differences})
