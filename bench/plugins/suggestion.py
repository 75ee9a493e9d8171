"""The "did you mean" of messages about unknown names."""

import difflib
from collections.abc import Iterable


def did_you_mean(got: str, known: Iterable[str]) -> str:
    """The end of a sentence about the unknown name `got`: the nearest known name, or all of them if none is near."""
    names = sorted(known)
    near = difflib.get_close_matches(got, names, n=1, cutoff=0.5)
    return f": did you mean {near[0]!r}?" if near else f": choose from {', '.join(names)}"
