"""Keys that stand twice in one JSON object: readers differ in which of the two values they take."""

import json
from pathlib import Path
from typing import Any


def repeated_keys(path: Path, *, lines: bool) -> list[str]:
    """Return a fault for each document of a file in which an object has a key twice; none where there is no file.

    Args:
        lines: whether each line is a document of its own.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    faults = []
    for number, document in enumerate(content.splitlines() if lines else [content], start=1):
        where = f"{path}, line {number}" if lines else str(path)
        faults += [f"{where}: has the key {key} twice; restore the file from git" for key in _repeated(document)[:1]]
    return faults


def _repeated(document: bytes) -> list[str]:
    found: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) < len(pairs):
            names = [name for name, _ in pairs]
            found.extend(json.dumps(name) for name in dict.fromkeys(names) if names.count(name) > 1)

    try:
        json.loads(document, object_pairs_hook=once)
    except (ValueError, RecursionError):  # no JSON, or too deep: reading the record says so
        return []
    return found
