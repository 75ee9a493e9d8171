"""The end of every message about an unknown name: the name that was probably meant, or all there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest `candidates` name, or "; choose from a, b, c" when none is close.

    It ends a sentence ("unknown task 'gsm8'") and holds the fix. Upper and lower case are one; of several close names,
    one with the same letters in another order comes first.
    """
    names = {each.lower(): each for each in candidates}
    close = get_close_matches(name.lower(), list(names), n=3)
    close.sort(key=lambda each: sorted(each) != sorted(name.lower()))
    return f"; did you mean {names[close[0]]!r}?" if close else f"; choose from {', '.join(names.values())}"
