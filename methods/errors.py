"""The one error type of this package and the words that help a reader out of a misspelt name."""

import difflib
from collections.abc import Iterable


class MethodError(Exception):
    """A method cannot be built, attached or loaded; the message is one sentence: got, expected, the fix."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known name in any case of letters, or "" when nothing is close."""
    spelt = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), list(spelt), n=1, cutoff=0.6)
    return f" (did you mean {spelt[close[0]]!r}?)" if close else ""
