"""The compact form of the records of one comparison: a line of JSON a cell, what cells share written once.

A line is a run record without the keys that hold their defaults. A value that several cells hold (scores of the base,
environments, tensors of an attestation) is a line of its own before them, `{"shared": NAME, "value": ...}` with a hash
of the value for a name; cells hold `{"=": NAME}` in its place. The keys of a measurement that several cells have are
such a line, too (`shapes`): cells hold `{"#": NAME, "values": [...]}`, and what was base64 in them as `bytes` of the
cell. Numbers keep all of their digits: those of geometry are rounded where they are measured, and what rounding the
rest would save is one per cent of a file.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rlvr_bench.record.documents import parse_object, read_regular
from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.shapes import Blob, Shape, filled, in_order, packed, shape_of, taken_apart

SHARED, VALUE, REFERENCE = "shared", "value", "="
MEASUREMENTS, SHAPE, VALUES, BYTES = "measurements", "#", "values", "bytes"
LEAST_LENGTH = 60
"""Characters of JSON from which on sharing a value is worth a reference."""
DEPTH = 5
"""Levels of a record at which values are shared: those of a score are `accuracy`, model, task, split."""

Document = dict[str, Any]


class Line(NamedTuple):
    """One cell's document, complete but for defaults, and the line that it stands in."""

    number: int
    document: Document


def lines_of(documents: Sequence[Document]) -> str:
    """Return the file of a comparison's cells, in the given order; the same documents give the same bytes."""
    counts = Counter(text for document in documents for text in set(_texts(document, DEPTH)))
    shared: dict[str, str] = {}
    cells = _without_shapes([_referring(document, counts, shared, DEPTH) for document in documents], shared)
    heads = [f'{{"{SHARED}":"{name}","{VALUE}":{text}}}' for name, text in sorted(shared.items())]
    return "".join(f"{line}\n" for line in [*heads, *map(_dump, cells)])


def read_lines(path: Path) -> Iterator[Line | RecordError]:
    """Yield the cells of a file in their order, an error in the place of each line that cannot be read, or of the file.

    Cells share the values that are written once: they are not to be changed.
    """
    try:
        lines = read_regular(path).splitlines()
    except RecordError as error:
        yield error
        return
    shared, shapes = dict[str, Any](), dict[str, Shape]()
    for number, line in enumerate(lines, start=1):
        try:
            document = parse_object(line)
            if SHARED in document:
                shared[document[SHARED]] = document[VALUE]
            else:
                yield Line(number, _resolved(_with_shapes(document, shared, shapes), shared, DEPTH))
        except (ValueError, KeyError, TypeError) as error:
            reason = f"refers to {error}, which no line above holds" if isinstance(error, KeyError) else str(error)
            yield RecordError(f"{path}, line {number}: {reason}; restore the file from git, or run its cell again")


def _without_shapes(documents: list[Document], shared: dict[str, str]) -> list[Document]:
    """Return documents whose measurements refer to their keys, where several have them; the keys go to `shared`."""
    measured = [_tables(document) for document in documents]
    shapes = [{name: _dump(shape_of(table)) for name, table in tables.items()} for tables in measured]
    counts = Counter(text for texts in shapes for text in texts.values())
    compact = []
    for document, tables, texts in zip(documents, measured, shapes, strict=True):
        references, blobs = {}, []
        for name in sorted(name for name, text in texts.items() if counts[text] > 1):
            values, blob = taken_apart(tables[name])
            shared[key := _hash(texts[name])] = texts[name]
            references[name] = {SHAPE: key, VALUES: values}
            blobs.append(blob)
        content = {BYTES: packed(b"".join(blobs))} if any(blobs) else {}
        changed = {MEASUREMENTS: document[MEASUREMENTS] | references} if references else {}
        compact.append(document | changed | content)
    return compact


def _tables(document: Document) -> dict[str, Document]:
    """Return the measurements that are tables and stand in their own cell."""
    measured = document.get(MEASUREMENTS, {})
    return {name: value for name, value in measured.items() if isinstance(value, dict) and REFERENCE not in value}


def _with_shapes(document: Document, shared: dict[str, Any], shapes: dict[str, Shape]) -> Document:
    """Put the measurements whose keys stand elsewhere in their places; raises ValueError where something is left.

    `shapes` holds those of the cells before, their keys sorted: to sort them takes as long as to fill them.
    """
    blob = Blob(document.pop(BYTES, ""))
    measured = document.get(MEASUREMENTS, {})
    for name in sorted(measured):
        if isinstance(table := measured[name], dict) and SHAPE in table:
            values, key = iter(table[VALUES]), table[SHAPE]
            if key not in shapes:
                shapes[key] = in_order(shared[key])
            measured[name] = filled(shapes[key], values, blob)
            if next(values, blob) is not blob:
                raise ValueError(f"measurement {name!r} holds more values than the keys that it refers to")
    if not blob.used_up:
        raise ValueError("holds more bytes than its measurements take")
    return document


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _dump(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _texts(document: Any, depth: int) -> Iterator[str]:
    """Yield the JSON of the values that may be shared, however deep they lie."""
    for value in document.values() if isinstance(document, dict) else ():
        if depth > 0 and isinstance(value, dict | list) and len(text := _dump(value)) >= LEAST_LENGTH:
            yield text
            yield from _texts(value, depth - 1)


def _referring(document: Document, counts: Counter[str], shared: dict[str, str], depth: int) -> Document:
    """Return a document in which values that others hold, too, are references; what they refer to goes to `shared`."""
    expanded = {}
    for name, value in document.items():
        if depth > 0 and isinstance(value, dict | list) and len(text := _dump(value)) >= LEAST_LENGTH:
            if counts[text] > 1:
                shared[name_of_text := _hash(text)] = text
                value = {REFERENCE: name_of_text}
            elif isinstance(value, dict):
                value = _referring(value, counts, shared, depth - 1)
        expanded[name] = value
    return expanded


def _resolved(document: Document, shared: dict[str, Any], depth: int) -> Document:
    """Put the values that references name in their places, in the document itself."""
    for name, value in document.items():
        if depth > 0 and isinstance(value, dict):
            if REFERENCE in value:
                document[name] = shared[value[REFERENCE]]
            else:
                _resolved(value, shared, depth - 1)
    return document
