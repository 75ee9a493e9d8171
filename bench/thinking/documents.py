"""The document of `think --train` as it is stored in `results/thinking`, and how an older one is read.

Version 1 named what scores traces a "verifier", the word for what checks an answer.
"""

from typing import Any

from rlvr_bench.record.numbers import strict_json

SCHEMA_VERSION = 2

Document = dict[str, Any]


def upgraded(document: Document) -> Document:
    """Return a stored comparison of scorers in the keys of this version; the document itself is left as it is."""
    if document.get("schema_version") != 1:
        return document
    settings = document.get("settings", {})
    return _renamed(document, "verifiers", "scorers") | {
        "schema_version": SCHEMA_VERSION,
        "settings": _renamed(settings, "verifier", "scorer"),
        "frontier": [_renamed(point, "verifier", "scorer") for point in document.get("frontier", ())],
        "transfer": [_renamed(entry, "verifiers", "scorers") for entry in document.get("transfer", ())],
    }


def as_text(document: Document) -> str:
    """Return a document as JSON with a line for each of its keys, and for each entry of a list.

    With a line for each number, as `indent` gives, a thousand problems take twice the room.
    """
    lines = [f"{strict_json(key)}: {_lines(value)}" for key, value in sorted(document.items())]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _lines(value: Any) -> str:
    if not isinstance(value, list) or not value:
        return strict_json(value)
    return "[\n" + ",\n".join(map(strict_json, value)) + "\n]"


def _renamed(values: Document, old: str, new: str) -> Document:
    """Return the values with one key renamed in its place."""
    return {new if key == old else key: value for key, value in values.items()}
