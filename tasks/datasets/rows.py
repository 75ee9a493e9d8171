"""Rows of data files, each with the place that it stands in, so that a fault can be pointed at.

Reads JSON lines and files that hold one JSON list; says nothing of what a row means.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rlvr_bench.tasks.errors import TaskError


class Row(NamedTuple):
    """A record and where it stands: "train.jsonl line 3"."""

    where: str
    fields: dict[str, Any]

    def text(self, key: str) -> str:
        """The field `key` as text, not blank; numbers as Python writes them. Raises TaskError otherwise."""
        if key not in self.fields:
            raise TaskError(f"{self.where} has no field {key!r} (it has {', '.join(self.fields) or 'none'}): add it.")
        value = self.fields[key]
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not str(value).strip():
            raise TaskError(f"{self.where}: field {key!r} is {str(value)[:60]!r}, not a text or a number: correct it.")
        return str(value).strip()


def read_rows(path: Path) -> Iterator[Row]:
    """The rows of a file; blank lines are passed over. Raises TaskError naming file, line and fault."""
    text = _text(path)
    if text.lstrip().startswith("["):
        yield from _listed(path, text)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _row(f"{path} line {number}", _parsed(f"{path} line {number}", line))


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise TaskError(f"There is no file {path}: put it there or correct the path.") from None
    except OSError as fault:
        raise TaskError(f"{path} cannot be read ({fault.strerror}): correct the path or its permissions.") from None
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        raise TaskError(f"{path} line {line} is not UTF-8: save the file as UTF-8.") from None


def _listed(path: Path, text: str) -> Iterator[Row]:
    try:
        records = json.loads(text)
    except json.JSONDecodeError as fault:
        raise TaskError(f"{path} line {fault.lineno} is not JSON ({fault.msg}): repair it.") from None
    for number, record in enumerate(records, start=1):
        yield _row(f"{path} record {number}", record)


def _parsed(where: str, line: str) -> Any:
    try:
        return json.loads(line)
    except (json.JSONDecodeError, RecursionError) as fault:
        reason = f"{fault.msg}, column {fault.colno}" if isinstance(fault, json.JSONDecodeError) else "too deep"
        raise TaskError(f"{where} is not JSON ({reason}): repair or delete that line.") from None


def _row(where: str, record: Any) -> Row:
    if not isinstance(record, dict):
        raise TaskError(f"{where} is a {type(record).__name__}, not an object with fields: repair or delete it.")
    return Row(where, record)
