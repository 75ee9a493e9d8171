"""The one error type of this package and the words that help a reader out of a misspelt name."""

import difflib
from collections.abc import Iterable


class MethodError(Exception):
    """A method cannot be built, attached or loaded; the message is one sentence: got, expected, the fix."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known name, or "" when nothing is close."""
    close = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
