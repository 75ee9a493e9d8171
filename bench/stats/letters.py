"""Tie groups as letters: a compact letter display of which pairs are significantly different."""

from collections.abc import Callable, Sequence


def letters(order: Sequence[str], apart: Callable[[str, str], bool]) -> dict[str, str]:
    """Return each name's letters: two names share a letter exactly when they are not significantly different.

    Insertion and absorption (Piepho 2004, J. Comput. Graph. Stat. 13:456). A name in between may carry several letters
    ("ab"): it is significantly different from neither side.

    Args:
        order: distinct names, the best first; "a" is the group of the first.
        apart: whether a name is significantly different from a later one.
    """
    groups = [frozenset(order)] if order else []
    for place, better in enumerate(order):
        for worse in order[place + 1 :]:
            if apart(better, worse):
                groups = _separated(groups, better, worse)
    place_of = {name: place for place, name in enumerate(order)}
    groups.sort(key=lambda group: sorted(place_of[name] for name in group))
    return {name: "".join(_letter(i) for i, group in enumerate(groups) if name in group) for name in order}


def _separated(groups: list[frozenset[str]], one: str, other: str) -> list[frozenset[str]]:
    """Return the groups with each that holds both names in two parts, and none that lies in another."""
    parts = dict.fromkeys(group - {name} for group in groups if {one, other} <= group for name in (one, other))
    kept = [group for group in groups if not {one, other} <= group]
    # Only a part can lie in another group: one that was kept would have lain in the whole of it before.
    whole = [*kept, *parts]
    return kept + [part for part in parts if not any(part <= group for group in whole if group is not part)]


def _letter(index: int) -> str:
    alphabet = "abcdefghijklmnopqrstuvwxyz"
    return alphabet[index % 26] + ("" if index < 26 else str(index // 26))
