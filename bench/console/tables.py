"""Tables and entries that fit the terminal: words and identifiers stay whole.

Where a table is too wide, prose wraps between words; where that is not enough, the last columns are left out, and a
line names them. So columns are given with the most important first.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rlvr_bench.console.text import console, printable

PROSE_WIDTH = 16
"""Columns that cells of several words, which wrap, get at least; numbers and intervals do not wrap."""

LONGEST_WORD = 28
"""Columns of a word in prose; a longer one (a path, a formula) is cut with an ellipsis."""

GAP = 2
"""Columns between two cells of a plain table; a framed one takes as many."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as text: its narrowest and its natural width in terminal columns."""

    name: str
    cells: list[str]
    narrowest: int
    natural: int


def print_table(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    numbers: Collection[str] = (),
    file: IO[str] | None = None,
    width: int | None = None,
    name_the_rest: bool = True,
) -> None:
    """Print the given columns of the rows, as many as fit, the first ones first; the first one always.

    Args:
        rows: a value per column; None is an empty cell.
        columns: keys of the rows and, with spaces for underscores, the header.
        numbers: columns of numbers and intervals: aligned to the right, not wrapped.
        file: standard output by default.
        width: the terminal's by default.
        name_the_rest: end with a line on what had no room.
    """
    out = console(file, width)
    whole = [_column(name, [_text(row.get(name)) for row in rows], name in numbers) for name in columns]
    shown = _that_fit(whole, out.width)
    table = Table(box=box.SIMPLE_HEAD if out.is_terminal else None, pad_edge=False, header_style="bold")
    for column, columns_wide in zip(shown, _widths(shown, out.width), strict=True):
        justify: Literal["left", "right"] = "right" if column.name in numbers else "left"
        table.add_column(Text(_header(column.name)), width=columns_wide, justify=justify, overflow="ellipsis")
    for cells in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    if name_the_rest and len(shown) < len(whole):
        left_out = ", ".join(" ".join(_header(column.name).split()) for column in whole[len(shown) :])
        print_line(f"no room for: {left_out}; a wider terminal or --json shows them", out)


def print_entry(entry: Mapping[str, Any], lists: Sequence[str] = ()) -> None:
    """Print one entry: its scalar values as lines, then each key of `lists` (lists of mappings) as a table."""
    out = console()
    for key, value in entry.items():
        if key not in lists:
            print_line(f"{key.replace('_', ' ')}: {_text(value)}", out, bold=len(key) + 1)
    for key in lists:
        if entry[key]:
            out.print()
            print_line(key.replace("_", " "), out, bold=len(key))
            print_table(entry[key], list(entry[key][0]))


def print_line(text: str, out: Console | None = None, bold: int = 0) -> None:
    """Print a text that wraps between words, the first `bold` characters in bold."""
    line = Text(printable(text), overflow="fold")
    line.stylize("bold", 0, bold)
    (out or console()).print(line)


def _column(name: str, cells: list[str], is_number: bool) -> _Column:
    header = _header(name).splitlines()
    natural = max(_line_widths([*header, *cells]))
    if is_number or not any(len(cell.split()) > 1 for cell in cells):
        return _Column(name, cells, natural, natural)
    cells = ["\n".join(" ".join(map(_cut, line.split(" "))) for line in cell.split("\n")) for cell in cells]
    longest = max(cell_len(word) for cell in [*header, *cells] for word in cell.split() or [""])
    natural = max(_line_widths([*header, *cells]))
    return _Column(name, cells, min(natural, max(longest, PROSE_WIDTH)), natural)


def _that_fit(columns: list[_Column], width: int) -> list[_Column]:
    shown = columns[:1]
    for column in columns[1:]:
        if sum(each.narrowest + GAP for each in [*shown, column]) - GAP > width:
            break
        shown.append(column)
    return shown


def _widths(columns: list[_Column], width: int) -> list[int]:
    """Return each column's width: the narrowest, and of the room that is left as much as each other one that wants it.

    A column that does not fit alone is as wide as the terminal.
    """
    spare = max(0, width - sum(column.narrowest + GAP for column in columns) + GAP)
    widths = [column.narrowest for column in columns]
    wants = sorted(range(len(columns)), key=lambda place: columns[place].natural - columns[place].narrowest)
    for served, place in enumerate(wants):
        more = min(columns[place].natural - columns[place].narrowest, spare // (len(columns) - served))
        widths[place] += more
        spare -= more
    return [min(width, each) for each in widths]


def _header(name: str) -> str:
    return name.replace("_", " ")


def _cut(word: str) -> str:
    return word if cell_len(word) <= LONGEST_WORD else set_cell_size(word, LONGEST_WORD - 1).rstrip() + "…"


def _line_widths(texts: Sequence[str]) -> list[int]:
    return [cell_len(line) for text in texts for line in text.split("\n")]


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return printable(str(value))
