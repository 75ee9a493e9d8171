"""The document of `think --train` as it is stored in `results/thinking`, and how an older one is read.

Version 1 named what scores traces a "verifier", the word for what checks an answer.
"""

from typing import Any

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


def _renamed(values: Document, old: str, new: str) -> Document:
    """Return the values with one key renamed in its place."""
    return {new if key == old else key: value for key, value in values.items()}
