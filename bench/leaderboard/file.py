"""The leaderboard's two files: UTF-8, one header line, the columns of `columns` in their order.

`leaderboard.csv` is what a person reviews: every row of the comparisons that rank two methods or more, or, in a folder
without any, every row; in at most forty columns. Trials, single runs and studies of one method are left to
`leaderboard-all.csv`, which has every row and every column.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rlvr_bench.leaderboard.columns import BY_NAME, COLUMNS, REVIEWED_COLUMNS, Column, Row, parse, text
from rlvr_bench.record.errors import RecordError

LEADERBOARD_FILE = "leaderboard.csv"
ALL_FILE = "leaderboard-all.csv"

METHODS_COMPARED = 2
"""Ranked methods from which on a comparison compares methods."""


def contents(rows: Sequence[Row]) -> dict[str, str]:
    """Return the content of both files by their names."""
    return {LEADERBOARD_FILE: to_csv(reviewed(rows), REVIEWED_COLUMNS), ALL_FILE: to_csv(rows)}


def reviewed(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of the comparisons that rank two methods or more; all rows where there is no such comparison."""
    ranked = Counter(row["comparison"] for row in rows if row["rank_group"] and row["status"] != "reference")
    return [row for row in rows if ranked[row["comparison"]] >= METHODS_COMPARED] or list(rows)


def to_csv(rows: Iterable[Row], columns: Sequence[Column] = COLUMNS) -> str:
    """Return a file's content; the same rows give the same bytes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([text(column, row[column.name]) for column in columns])
    return buffer.getvalue()


def read_csv(path: Path) -> list[Row]:
    """Read a leaderboard file; a column that this version does not know is left out, one that is missing is empty.

    Raises:
        RecordError: there is no such file, or a line cannot be read: which and why.
    """
    try:
        return parse_csv(path.read_bytes(), str(path))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error}); make it with rlvr-bench leaderboard --write") from error


def parse_csv(content: bytes, path: str) -> list[Row]:
    """Read the content of a leaderboard file as `read_csv` does; `path` is what errors call it."""
    try:
        lines = list(csv.reader(io.StringIO(content.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read ({error}); make it with rlvr-bench leaderboard --write") from error
    if not lines or not {"comparison", "method", "accuracy"} <= set(lines[0]):
        raise RecordError(
            f"{path}: the first line is not a leaderboard's header; make it with rlvr-bench leaderboard --write"
        )
    return [_row(path, number, lines[0], cells) for number, cells in enumerate(lines[1:], start=2)]


def _row(path: str, number: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        raise RecordError(
            f"{path}, line {number}: {len(cells)} cells under {len(header)} columns; make the file again "
            "with rlvr-bench leaderboard --write"
        )
    row: Row = dict.fromkeys(BY_NAME)
    for name, cell in zip(header, cells, strict=True):
        if name in BY_NAME:
            try:
                row[name] = parse(BY_NAME[name], cell)
            except ValueError as error:
                raise RecordError(
                    f"{path}, line {number}: {name} is {cell!r}, not a number; make the file again with "
                    "rlvr-bench leaderboard --write"
                ) from error
    return row
