"""The leaderboard and its difference to a reference, for a reader in a terminal.

One block per comparison, with as many columns as the terminal has room for. Without a terminal the same text comes
without colour and frames, 120 columns wide.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import IO

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from rlvr_bench.leaderboard.columns import Row, Value
from rlvr_bench.leaderboard.differences import Difference, Test

Cell = Callable[[Row], str]

MOST_UNRANKED = 20
"""Unranked rows of a comparison that are shown: a sweep has hundreds, in which the rest would drown."""

PLAIN_WIDTH = 120
"""Width without a terminal: no line is cut there."""


TESTS: dict[Test, str] = {
    "paired by problem": "Intervals of a difference are from the records of both, paired by problem.",
    "from two intervals": "Intervals of a difference are from two tables, whose accuracies are taken as independent: "
    "too wide where they share problems, so that small differences are missed.",
}


def console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return a console on `file` (default: standard output) that is wide and plain unless it is a terminal."""
    probe = Console(file=file, width=width)
    return probe if probe.is_terminal else Console(file=file, width=width or PLAIN_WIDTH, no_color=True)


def show(rows: Iterable[Row], file: IO[str] | None = None, width: int | None = None) -> None:
    """Print the leaderboard, `width` columns wide (default: the terminal's width)."""
    out = console(file, width)
    for comparison, group in groupby(rows, key=lambda row: str(row["comparison"])):
        block = list(group)
        out.print()
        out.print(f"[bold]{escape(comparison)}[/bold]  {escape(_setting(block[0]))}", highlight=False)
        shown = _foremost(block)
        out.print(_table(shown, out))
        if len(shown) < len(block):
            out.print(f"{len(block) - len(shown)} rows more, none of them ranked, are in leaderboard.csv")
        for status, methods in _remarks(block).items():
            named = ", ".join(methods) if len(methods) <= MOST_UNRANKED else f"{len(methods)} rows"
            out.print(f"{escape(named)}: {escape(status)}", highlight=False)
        detectable = block[0]["detectable_difference"]
        if detectable is not None:
            points = _percent(detectable)
            out.print(f"Two rows that truly differ by less than {points} points are mostly not told apart.")
    out.print()
    out.print(
        "Rows that share a letter cannot be told apart (chance of any false claim in a comparison: 5 %). Accuracy: "
        "greedy, test split, mean over seeds, with its 95 % interval.",
        highlight=False,
    )


def _foremost(block: Sequence[Row]) -> list[Row]:
    """Return the ranked rows of a comparison, and of more unranked rows than are read the most accurate ones."""
    unranked = [row for row in block if str(row["status"]).startswith("unranked")]
    if len(unranked) <= MOST_UNRANKED:
        return list(block)
    best = sorted(unranked, key=lambda row: -_float(row["accuracy"] or row["accuracy_validation"] or 0.0))
    return [row for row in block if row not in unranked] + best[:MOST_UNRANKED]


def show_differences(
    differences: Sequence[Difference],
    file: IO[str] | None = None,
    width: int | None = None,
    *,
    only_changes: bool = False,
) -> None:
    """Print a comparison with another leaderboard: one line a row, a summary of all rows, and how it was tested."""
    out = console(file, width)
    table = _frame(out.is_terminal)
    table.add_column("method", overflow="fold")
    for name in ("here", "reference", "difference [95 %]"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("group")
    table.add_column("against the reference", style="bold")
    shown = [item for item in differences if item.changed or not only_changes]
    for comparison, group in groupby(shown, key=lambda difference: difference.comparison):
        table.add_row(f"[bold]{escape(comparison)}[/bold]")
        for item in group:
            table.add_row(*_difference_cells(item))
    if shown:
        out.print(table)
    counts = {verdict: sum(item.verdict == verdict for item in differences) for verdict in _verdicts(differences)}
    moved = sum(item.group_changed for item in differences)
    changed = f"; {moved} in another tie group" if moved else ""
    out.print((", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing to compare") + changed)
    for test in sorted({item.test for item in differences if item.test}):
        out.print(TESTS[test], highlight=False)


def _difference_cells(item: Difference) -> list[str]:
    estimate = item.estimate
    interval = "" if estimate is None else _interval(estimate.mean, estimate.low, estimate.high, sign="+")
    moved = f"{item.group_reference or '-'} -> {item.group_here or '-'}" if item.group_changed else item.group_here
    return [f"  {escape(item.method)}", _percent(item.here), _percent(item.reference), interval, moved, item.verdict]


def _table(rows: Sequence[Row], out: Console) -> Table:
    """Return the table of one comparison with as many columns as fit, the first ones first."""
    tested = any(row["accuracy"] is not None for row in rows)
    accuracy = ("accuracy % [95 %]", _accuracy) if tested else ("validation %", _validation)
    columns = [accuracy, *(column for column in COLUMNS if any(column[1](row) for row in rows))]
    shown: list[tuple[str, Cell]] = []
    unbounded = out.options.update_width(10 * max(out.width, PLAIN_WIDTH))
    for column in columns:
        wider = _rendered(rows, [*shown, column], out.is_terminal)
        if not shown or Measurement.get(out, unbounded, wider).maximum <= out.width:
            shown.append(column)
    return _rendered(rows, shown, out.is_terminal)


def _rendered(rows: Sequence[Row], columns: Sequence[tuple[str, Cell]], framed: bool) -> Table:
    table = _frame(framed)
    table.add_column("method", overflow="fold")
    table.add_column("group", overflow="fold")
    for name, _ in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        cells = [cell(row) for _, cell in columns]
        table.add_row(escape(str(row["method"])), str(row["rank_group"] or "-"), *cells)
    return table


def _remarks(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the methods by what is to be said of them beyond that they are ranked."""
    remarks: dict[str, list[str]] = {}
    for row in rows:
        if row["status"] not in ("ranked", "reference"):
            remarks.setdefault(str(row["status"]), []).append(str(row["method"]))
        if row.get("lr_edge"):
            remarks.setdefault(f"{row['lr_edge']} in the trials that chose the rate", []).append(str(row["method"]))
    return remarks


def _frame(framed: bool) -> Table:
    return Table(box=box.SIMPLE_HEAD if framed else None, pad_edge=False, header_style="bold")


def _setting(row: Row) -> str:
    names = ("base", "task", "signal", "reward")
    counts = [f"{row[name]} {name}" for name in ("steps", "problems") if row[name] is not None]
    return " · ".join([*(str(row[name]) for name in names), *counts])


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


def _between(name: str, sign: str = "") -> Cell:
    """Return how a column with its interval is shown, in per cent."""
    return lambda row: _interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"], sign)


def _plain(name: str, scale: float = 1) -> Cell:
    return lambda row: _short(row[name], scale)


def _accuracy(row: Row) -> str:
    return _between("accuracy")(row)


def _validation(row: Row) -> str:
    return _percent(row["accuracy_validation"])


COLUMNS: tuple[tuple[str, Cell], ...] = (
    ("gain", _between("gain", "+")),
    ("seeds", _seeds),
    ("over control", _between("gain_over_control", "+")),
    ("train %", _plain("trainable_share", 100)),
    ("lr", _plain("lr")),
    ("sparsity", _plain("update_sparsity_bf16")),
    ("KL", _plain("kl")),
    ("tokens", lambda row: _thousands(row["tokens"])),
    ("s", lambda row: "" if row["seconds"] is None else f"{_float(row['seconds']):.0f}"),
    ("sd over seeds", _between("accuracy_sd")),
    ("over best prompt", _between("gain_over_best_prompt", "+")),
    ("P(> full)", _plain("improvement_over_full")),
    ("best?", lambda row: str(row["may_be_best"] or "")),
    ("lr decades", _plain("lr_tolerance")),
)
"""What follows method, group and accuracy, the most important first; a column without values is left out."""


def _verdicts(differences: Sequence[Difference]) -> list[str]:
    return sorted({str(item.verdict) for item in differences})
