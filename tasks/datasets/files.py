"""Data files of the formats that people have: JSON lines, a JSON list, CSV, TSV, each also as `.gz`, and parquet.

What can be read in a stream is, so that memory is bounded by the longest row; a fault in one row costs that row only.
Nothing of a file is ever executed.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rlvr_bench.tasks.datasets.rows import Row
from rlvr_bench.tasks.errors import TaskError

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".jsonl.gz", ".json.gz", ".csv.gz", ".tsv.gz")
FORMATS = "JSON lines, a JSON list, CSV, TSV (all also as .gz) or parquet"

_OTHER_FORMATS = frozenset({".arrow", ".bz2", ".feather", ".pkl", ".xls", ".xlsx", ".xml", ".xz", ".zip", ".zst"})

MAX_LINE = 2**24
"""Bytes: no row is as long, and a line is held in memory as a whole."""

MAX_WHOLE = 2**30
"""Bytes of a file that is one JSON value, which has to be held in memory as a whole."""

MAX_UNPACKED = 2**34
"""Bytes that a compressed file may unpack to."""

_SEPARATORS = ",;\t|"
"""Of a `.csv` file; where two make as many columns, the first."""

_SEPARATOR_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*", re.IGNORECASE)

_Stream = gzip.GzipFile | io.BufferedReader

Rows = Iterator[Row | TaskError]
"""Rows, and in the place of a row that cannot be read the sentence that says why."""


def read_rows(path: Path) -> Rows:
    """The rows of a file, which its suffix tells how to read; blank lines are passed over.

    Raises TaskError, naming file, line and fault, for a file that cannot be read on.
    """
    kind = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind in _OTHER_FORMATS:
        raise TaskError(f"{path} is a {kind} file, which is not read: save it as {FORMATS}.")
    if kind == ".parquet":
        yield from _parquet(path)
        return
    try:
        with _opened(path) as file:
            if kind in (".csv", ".tsv"):
                yield from _table(path, file, kind)
            else:
                yield from _json(path, file, kind)
    except FileNotFoundError:
        raise TaskError(f"There is no file {path}: put it there or correct the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
        raise TaskError(f"{path} is not a whole .gz file ({fault}): fetch it again.") from None
    except OSError as fault:
        raise TaskError(f"{path} cannot be read ({fault.strerror}): correct the path or its permissions.") from None


def _opened(path: Path) -> _Stream:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _json(path: Path, file: _Stream, kind: str) -> Rows:
    start = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    file.seek(0)
    if start == b"[" or (start == b"{" and kind == ".json"):
        yield from _document(path, file)
    else:
        yield from _json_lines(path, file)


def _json_lines(path: Path, file: _Stream) -> Rows:
    for number, line in _lines(path, file):
        if line.strip():
            where = f"{path} line {number}"
            try:
                yield _row(where, json.loads(line.decode()))
            except UnicodeDecodeError:
                yield TaskError(f"{where} is not UTF-8: save the file as UTF-8.")
            except json.JSONDecodeError as fault:
                yield TaskError(f"{where} is not JSON ({fault.msg}, column {fault.colno}): repair or delete that line.")
            except (ValueError, RecursionError):
                yield TaskError(f"{where} is JSON that is too deep or has too long a number: repair or delete it.")


def _document(path: Path, file: _Stream) -> Rows:
    """One JSON list of objects; an object that holds one, or columns, or rows by key, or is a row; else JSON lines."""
    content = file.read(MAX_WHOLE + 1)
    if len(content) > MAX_WHOLE:
        raise TaskError(f"{path} is larger than 1 GiB: save it as JSON lines, which are read one by one.")
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as fault:
        line = content[: fault.start].count(b"\n") + 1
        raise TaskError(f"{path} line {line} is not UTF-8: save the file as UTF-8.") from None
    except json.JSONDecodeError as fault:
        if fault.msg != "Extra data" and not _is_object(content.partition(b"\n")[2].partition(b"\n")[0]):
            raise TaskError(f"{path} line {fault.lineno} is not JSON ({fault.msg}): repair it.") from None
        file.seek(0)
        yield from _json_lines(path, file)
        return
    except (ValueError, RecursionError):
        raise TaskError(f"{path} is JSON that is too deep or has too long a number: repair it.") from None
    if isinstance(value, dict):
        value = _turned(value)
    if isinstance(value, dict):
        lists = {key: item for key, item in value.items() if isinstance(item, list) and _objects(item)}
        if len(lists) > 1:
            raise TaskError(f"{path} holds several lists ({', '.join(lists)}): save the one that you mean as a file.")
        if not lists:
            yield Row(str(path), value)
            return
        value = next(iter(lists.values()))
    for number, record in enumerate(value, start=1):
        yield _row(f"{path} record {number}", record)


def _turned(value: dict[str, Any]) -> Any:
    """The rows of a table by columns, as pandas writes it, or by keys; anything else as it is."""
    inner = list(value.values())
    if len(inner) < 2:
        return value
    if all(isinstance(column, list) and not _objects(column) for column in inner):
        equal = len({len(column) for column in inner}) == 1 and len(inner[0]) > 1
        return [dict(zip(value, cells, strict=True)) for cells in zip(*inner, strict=True)] if equal else value
    if not all(isinstance(item, dict) and item.keys() == inner[0].keys() and item for item in inner):
        return value
    if all(str(key).isdecimal() for key in inner[0]):
        return [{name: column[key] for name, column in value.items()} for key in inner[0]]
    return inner


def _is_object(line: bytes) -> bool:
    """Whether a line is a JSON object by itself, so that the file has one a line."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _objects(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, dict) for item in items)


def _table(path: Path, file: _Stream, kind: str) -> Rows:
    """CSV with a header. What separates is the sign that makes most columns of it: a comma, ";", "|" or a tab."""
    csv.field_size_limit(MAX_LINE)
    numbered = _lines(path, file)
    lines = (_decoded(path, number, line) for number, line in numbered)
    first = next(lines, "")
    named = _SEPARATOR_LINE.fullmatch(first)  # Excel's "sep=;"
    number = 2
    if named:
        first, number = next(lines, ""), 3
    separators = "\t" if kind == ".tsv" else named[1] if named else _SEPARATORS
    try:
        separator = max(separators, key=lambda one: len(_cells(first, one)))
        header = [name.strip() for name in _cells(first, separator)]
        repeated = {name for name in header if name and header.count(name) > 1}
        if repeated:
            raise TaskError(f"{path} line {number - 1} names the column {min(repeated)!r} twice: rename one.")
        reader = csv.reader(lines, delimiter=separator)
        begin = number
        for cells in reader:
            where = f"{path} line {number}"
            number = reader.line_num + begin
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) == len(header):
                yield Row(where, dict(zip(header, cells, strict=True)))
            else:
                yield TaskError(f"{where} has {len(cells)} cells, but the header {len(header)}: repair or delete it.")
    except csv.Error as fault:
        raise TaskError(f"{path} line {number} is not CSV ({fault}): repair it.") from None


def _cells(line: str, separator: str) -> list[str]:
    return next(csv.reader([line], delimiter=separator), [])


def _decoded(path: Path, number: int, line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        raise TaskError(f"{path} line {number} is not UTF-8: save the file as UTF-8.") from None


def _lines(path: Path, file: _Stream) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers, without a byte-order mark; raises TaskError where a bound is passed."""
    number, size = 0, 0
    while line := file.readline(MAX_LINE):
        number, size = number + 1, size + len(line)
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            raise TaskError(f"{path} line {number} is longer than 16 MiB: give a file with a row a line.")
        if size > MAX_UNPACKED:
            raise TaskError(f"{path} is larger than 16 GiB: give the part that you need.")
        yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _parquet(path: Path) -> Rows:
    import pyarrow  # a tenth of a second to import, and few files need it
    import pyarrow.parquet

    if path.suffix.lower() == ".gz":
        raise TaskError(f"{path} is parquet inside of .gz: unpack it, parquet is compressed already.")
    if not path.is_file():
        raise TaskError(f"There is no file {path}: put it there or correct the path.")
    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            floats = [field.name for field in file.schema_arrow if pyarrow.types.is_float32(field.type)]
            for batch in file.iter_batches(batch_size=1000):
                for record in batch.to_pylist():
                    number += 1
                    shortest = {name: _shortest(record[name]) for name in floats}
                    yield Row(f"{path} row {number}", record | shortest)
    except (pyarrow.ArrowException, OSError) as fault:
        reason = (str(fault).splitlines() or [type(fault).__name__])[0]
        raise TaskError(f"{path} is not parquet that can be read ({reason}): fetch it again.") from None


def _shortest(number: float | None) -> float | None:
    """A number of 32 bits as it was meant: 11.1, which in 64 bits is 11.100000381469727."""
    return None if number is None else float(f"{number:.7g}")


def _row(where: str, record: Any) -> Row | TaskError:
    if isinstance(record, dict):
        return Row(where, record)
    return TaskError(f"{where} is a {type(record).__name__}, not an object with fields: repair or delete it.")
