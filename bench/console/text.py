"""Text on its way to a terminal: without control characters, to the right stream.

Names, completions and error messages come from records, data files and plug-ins. A control character in them could
move the cursor, recolour what follows or hide a line, so none reaches a terminal.
"""

import json
import os
import re
import sys
from typing import IO, Any

from rich.console import Console

PLAIN_WIDTH = 120
"""Columns where there is no terminal and COLUMNS does not say how many."""

_UNSAFE = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
"""What JSON leaves as it is and a terminal obeys: C1 controls, line separators, directions; and lone surrogates."""

_CONTROL = re.compile(rf"[\x00-\x08\x0b-\x1f{_UNSAFE}]")


def printable(text: str) -> str:
    """Return the text without characters that steer a terminal; new lines stay, a tab becomes a space."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\t", " "))


def say(*sentences: str) -> None:
    """Print messages to stderr, which leaves stdout to results."""
    for sentence in sentences:
        print(printable(sentence), file=sys.stderr, flush=True)


def tell(*lines: str) -> None:
    """Print lines of a result to stdout."""
    for line in lines:
        print(printable(line), flush=True)


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print_json_text(json.dumps(value, indent=1, ensure_ascii=False))


def print_json_text(document: str) -> None:
    """Print a JSON document that is text already; what a terminal would obey is escaped."""
    print(re.sub(f"[{_UNSAFE}]", lambda match: f"\\u{ord(match[0]):04x}", document))


def console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """Return a console on `file` (default: standard output).

    Without a terminal it is plain and `width` columns wide, by default as many as COLUMNS says, else `PLAIN_WIDTH`.
    """
    probe = Console(file=file, width=width)
    if probe.is_terminal:
        return probe
    stated = os.environ.get("COLUMNS", "")
    return Console(file=file, width=width or (int(stated) if stated.isdigit() else PLAIN_WIDTH), no_color=True)
