"""Files that follow from the records, against the records: leaderboard and report."""

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from rlvr_bench.leaderboard.file import ALL_FILE, contents
from rlvr_bench.leaderboard.standings import leaderboard, step_reader
from rlvr_bench.record.documents import read_regular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import RunRecord

REPORT_FILE = "report.html"
REPORT_DIGEST = re.compile(rb'<meta name="leaderboard-sha256" content="([0-9a-f]{64})"')
"""What the report says of the leaderboard that it shows."""


def leaderboard_faults(results: Path, records: Sequence[RunRecord]) -> list[str]:
    """Return where the leaderboard's files are not, byte for byte, what the records give."""
    expected = contents([standing.row for standing in leaderboard(records, step_reader(results))])
    return [fault for name, content in expected.items() for fault in _table_faults(results / name, content)]


def _table_faults(path: Path, expected: str) -> list[str]:
    try:
        written = read_regular(path)
    except RecordError as error:
        return [f"{error}; make it with rlvr-bench leaderboard --write"]
    if written == expected.encode():
        return []
    return [f"{path}{_first_difference(written, expected)}; make it again with rlvr-bench leaderboard --write"]


def report_faults(results: Path) -> list[str]:
    """Return whether the report shows another leaderboard than the one beside it."""
    path, table = results / REPORT_FILE, results / ALL_FILE
    if not path.exists() or not table.exists():
        return []
    try:
        page, rows = read_regular(path), read_regular(table)
    except RecordError as error:
        return [str(error)]
    digest = REPORT_DIGEST.search(page)
    if digest is None:
        return [f"{path}: does not say which leaderboard it shows; make it again with rlvr-bench report"]
    if digest[1].decode() != hashlib.sha256(rows).hexdigest():
        return [f"{path}: shows another leaderboard than {table.name}; make it again with rlvr-bench report"]
    return []


def _first_difference(written: bytes, expected: str) -> str:
    """Return line, column and both values of the first difference."""
    try:
        actual_rows = list(csv.reader(io.StringIO(written.decode(), newline="")))
    except (UnicodeDecodeError, csv.Error) as error:
        return f": not a table ({error})"
    expected_rows = list(csv.reader(io.StringIO(expected)))
    for number, (line, right) in enumerate(zip_longest(actual_rows, expected_rows), start=1):
        if line is None:
            return f", line {number}: is missing, the records give {len(expected_rows) - 1} rows"
        if right is None:
            return f", line {number}: is one too many, the records give {len(expected_rows) - 1} rows"
        for name, cell, value in zip_longest(expected_rows[0], line, right):
            if cell != value:
                return f", line {number}, column {name}: is {cell!r}, the records give {value!r}"
    return ": differs in its line ends or quotes only"
