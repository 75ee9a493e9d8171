"""Reading files that may hold anything: only regular files are opened, and only JSON that can be kept as it is.

Python's own reader takes NaN, lone surrogates, the last of two equal keys and integers of any length, and overflows its
stack on deep nesting. Each of them would be a wrong figure, or an error far from the file that it came from.
"""

import json
import math
import os
import re
import stat
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from rlvr_bench.record.errors import RecordError

LARGEST_INTEGER = 2**63 - 1
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


_MAYBE_TOO_LARGE = re.compile(rb"\d{19}|\d[eE]\+?\d{3}")
"""What every number beyond 64 bits, and every float beyond its range, holds somewhere."""

_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
"""A text of JSON. Hashes and outcomes look like large numbers, and are in every record."""

_LARGE_IN_COMPACT = re.compile(rb"[\[,:]-?\d{19}")
"""What every integer beyond 64 bits begins with in an object, or an array, of JSON without spaces."""

_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, check_circular=False).encode


def refuse_irregular(path: Path) -> None:
    """Raise RecordError unless `path` is a file with content: opening a pipe would wait for ever, a device act."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError as error:
        raise _unreadable(path, error) from error
    if kind != stat.S_IFREG:
        raise RecordError(f"{path}: is {KINDS.get(kind, 'a device')}, not a file; move it away")


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        RecordError: it is something else, or cannot be read.
    """
    refuse_irregular(path)
    try:
        # A pipe that has just taken the file's place is not waited for either.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def parse_json(content: bytes) -> Any:
    """Return a JSON document, nested 200 levels deep at most, that holds each key once and no number beyond 64 bits.

    Raises:
        ValueError: it is not such a document; says where and what.
    """
    document = from_json(content, allow_inf_nan=False)  # refuses deep nesting, NaN, surrogates and what is not UTF-8
    if _is_written_as(document, content):
        return document
    # A call for every number would take most of a reading's time.
    if not (_MAYBE_TOO_LARGE.search(content) and _MAYBE_TOO_LARGE.search(_TEXT.sub(b"", content))):
        return json.loads(content, object_pairs_hook=_object)
    return json.loads(content, object_pairs_hook=_object, parse_int=_integer, parse_float=_float)


def _is_written_as(document: Any, content: bytes) -> bool:
    """Whether an object or array gives these bytes when it is written: then no key and no digit of them was lost.

    Pydantic's writer takes a third of the time of Python's, and differs from it in the exponents of small numbers.
    """
    if not isinstance(document, dict | list) or _LARGE_IN_COMPACT.search(content):
        return False
    return bool(to_json(document) == content) or _compact(document).encode() == content


def parse_object(content: bytes) -> dict[str, Any]:
    """Return a JSON object as `parse_json` does; raises ValueError for any other document too."""
    document = parse_json(content)
    if not isinstance(document, dict):
        raise ValueError(f"holds a JSON {type(document).__name__}, not an object")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return values


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(number := int(digits)) > LARGEST_INTEGER:
        raise ValueError(f"an integer of {len(digits.lstrip('-'))} digits; 2^63 is the limit")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"the number {digits[:40]} is infinite as a float")
    return number


def _unreadable(path: Path, error: OSError) -> RecordError:
    return RecordError(f"{path}: cannot be read ({error.strerror}); make the file readable, or move it away")
