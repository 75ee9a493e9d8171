"""The end of every message about an unknown name: the name that was probably meant, or all there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest `candidates` name, or "; choose from a, b, c" when none is close.

    It ends a sentence ("unknown task 'gsm8'") and holds the fix.
    """
    names = list(candidates)
    close = closest(name, names)
    return f"; did you mean {close!r}?" if close is not None else f"; choose from {', '.join(names)}"


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the closest name, None where none is close.

    Upper and lower case are one; of several close names, one with the same letters in another order comes first.
    """
    names = {each.lower(): each for each in candidates}
    close = get_close_matches(name.lower(), list(names), n=3)
    close.sort(key=lambda each: sorted(each) != sorted(name.lower()))
    return names[close[0]] if close else None
