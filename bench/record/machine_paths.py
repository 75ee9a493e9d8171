"""Records without the paths of the machine that made them: what is kept of a path is its last name.

Where a path lay says nothing of a result, and a record is published. Settings that point at a file are distinguished by
its fingerprint, which the cell holds beside them.
"""

import re
from pathlib import PurePosixPath
from typing import Any

WHOLE_PATH = re.compile(r"(?:~|/[\w.@+-]+)/[^\n]*")
"""A text that is a path as a whole: absolute, with two names or more."""

PATH_IN_TEXT = re.compile(r"(?<![\w.:/~<>+=-])(?:~|/[A-Za-z_.][\w.@+-]*)(?:/[\w.@+-]+)+/?")
"""A path in a sentence or a traceback; not the path of an address (https://...)."""

BASE64 = ("mask_sample", "update_sketch")
"""Keys that begin so hold packed bits in base64 below them, in which a slash is a digit."""

FINGERPRINT_DIGITS = 12


def without_paths(document: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON document of a record without absolute paths; `cell_id` and all that is no path stay as they are.

    Settings (`cell`) are paths as a whole or not at all; elsewhere a path is also found within a sentence. A method's
    path keeps the fingerprint of its file: "model.safetensors#3f2a1c9d8e7b".
    """
    stripped = {name: _stripped(value, whole=name == "cell") for name, value in document.items()}
    cell, settings = document.get("cell"), stripped.get("cell")
    if isinstance(cell, dict) and isinstance(settings, dict) and settings.get("method") != cell.get("method"):
        stripped["cell"] = settings | {
            "method": _with_fingerprints(cell["method"], cell.get("method_fingerprints") or ())
        }
    return stripped


def last_name(text: str) -> str:
    """Return the last name of a text that is an absolute path, any other text as it is."""
    return PurePosixPath(text).name if WHOLE_PATH.fullmatch(text) else text


def _stripped(value: Any, *, whole: bool) -> Any:
    if isinstance(value, str):
        if "/" not in value:
            return value
        return last_name(value) if whole else PATH_IN_TEXT.sub(_last_name, last_name(value))
    if isinstance(value, dict):
        return {name: item if name.startswith(BASE64) else _stripped(item, whole=whole) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_stripped(item, whole=whole) for item in value]
    return value


def _last_name(path: re.Match[str]) -> str:
    return PurePosixPath(path[0]).name


def _with_fingerprints(method: dict[str, Any], fingerprints: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """Return a method's settings with the last name and the fingerprint of each file, in the order of both."""
    left = iter(fingerprints)
    return {
        key: "#".join([last_name(value), *(mark[:FINGERPRINT_DIGITS] for mark in [next(left, None)] if mark)])
        if isinstance(value, str) and WHOLE_PATH.fullmatch(value)
        else value
        for key, value in method.items()
    }
