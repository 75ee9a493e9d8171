"""`leaderboard.csv`: UTF-8, one header line, the columns of `columns` in their order."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from rlvr_bench.leaderboard.columns import BY_NAME, COLUMNS, Row, parse, text
from rlvr_bench.record.errors import RecordError

LEADERBOARD_FILE = "leaderboard.csv"


def to_csv(rows: Iterable[Row]) -> str:
    """Return the file's content; the same rows give the same bytes."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.name for column in COLUMNS])
    for row in rows:
        writer.writerow([text(column, row[column.name]) for column in COLUMNS])
    return buffer.getvalue()


def read_csv(path: Path) -> list[Row]:
    """Read a leaderboard file; a column that this version does not know is left out, one that is missing is empty.

    Raises:
        RecordError: there is no such file, or a line cannot be read: which and why.
    """
    try:
        lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RecordError(f"{path}: cannot be read ({error}); make it with rlvr-bench leaderboard --write") from error
    if not lines or not {"comparison", "method", "accuracy"} <= set(lines[0]):
        raise RecordError(
            f"{path}: the first line is not a leaderboard's header; make it with rlvr-bench leaderboard --write"
        )
    return [_row(path, number, lines[0], cells) for number, cells in enumerate(lines[1:], start=2)]


def _row(path: Path, number: int, header: list[str], cells: list[str]) -> Row:
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
