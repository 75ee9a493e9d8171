"""What the listing verbs print: one JSON document, or a plain table; nothing else goes to stdout."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 120


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=1, ensure_ascii=False))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print the given columns of the rows."""
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*(escape(_text(row.get(column))) for column in columns))
    console.print(table)


def print_entry(entry: Mapping[str, Any], lists: Sequence[str] = ()) -> None:
    """Print one entry: its scalar values as lines, then each key of `lists` (lists of mappings) as a table."""
    console = _console()
    for key, value in entry.items():
        if key not in lists:
            console.print(f"[bold]{key.replace('_', ' ')}[/bold]: {escape(_text(value))}", highlight=False)
    for key in lists:
        if entry[key]:
            console.print(f"\n[bold]{key.replace('_', ' ')}[/bold]")
            print_table(entry[key], list(entry[key][0]))


def _console() -> Console:
    probe = Console()
    return probe if probe.is_terminal else Console(width=PLAIN_WIDTH)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(value)
