r"""Answers in several parts: tuples and points, sets, lists, matrices."""

import re
from collections.abc import Callable

from rlvr_bench.tasks.verifiers.forms import Form, Group, Matrix, Number
from rlvr_bench.tasks.verifiers.naming import EQUALS, NAME
from rlvr_bench.tasks.verifiers.splitting import enclosed, split

_MATRIX = re.compile(r"\\begin\s?\{((?:[pbBvV]|small)?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\s?\{\1\}", re.DOTALL)
_COMMA = re.compile(
    r"(?:,(?![0-9]{3}(?![0-9]))|,(?<![0-9],)|;)\s?(?:\b(?:and|or)\b)?|\s(?:and|or)\s|\\(?:land|lor|vee|wedge)(?![a-z])"
)
_COMMA_INSIDE = re.compile(r"[,;]")
_PLUS_MINUS = re.compile(r"\\(pm|mp)(?![a-z])")

Reader = Callable[[str], Form]
"""Reads one component, or one end, into its form."""


def matrix(text: str, read: Reader) -> Matrix | None:
    """The rows of a matrix or column; None for anything else, a determinant too."""
    around = enclosed(text)
    match = _MATRIX.fullmatch(around[1] if around and around[1].startswith("\\begin") else text)
    if not match or match[1] in ("vmatrix", "Vmatrix") or "\\begin" in match[2]:
        return None
    lines = [line for line in re.split(r"\\\\(?:\[[^\]]*\])?|\\cr", match[2].replace("\\hline", "")) if line.strip()]
    return Matrix(tuple(tuple(read(entry) for entry in line.split("&")) for line in lines))


def bracketed(text: str, read: Reader) -> Form | None:
    """What stands in one pair of brackets, named or not: "(3, 5)", "P = (3, 5)"; None for anything else."""
    enclosing = enclosed(text)
    if enclosing is None:
        name, equals, rest = text.partition("=")
        form = bracketed(rest.strip(), read) if equals and enclosed(rest.strip()) else None
        named = NAME.fullmatch(name) or (enclosed(name.strip()) and not re.search("[0-9]", name))
        return form if named else None
    left, inside, right = enclosing
    items = _spread(split(inside, _COMMA_INSIDE))
    if len(items) == 1:
        return read(inside) if left != "[" else None
    return Group(left, tuple(map(read, items)), right)


def _spread(items: list[str]) -> list[str]:
    r"""Every item with \pm as two."""
    spread: list[str] = []
    for item in items:
        if len(_PLUS_MINUS.findall(item)) == 0 or len(items) > 20:
            spread.append(item)
            continue
        for upper, lower in ("+-", "-+"):
            signed = _PLUS_MINUS.sub(lambda sign, u=upper, w=lower: u if sign[1] == "pm" else w, item)  # type: ignore[misc]
            spread.append(re.sub(r"^(\s*)\+", r"\1", signed))
    return spread


def listed(text: str, read: Reader) -> Form | None:
    """A list without brackets: "1, 2", "x = 1 or x = 2"; None where there is one answer only."""
    items = _spread([item for item in split(text, _COMMA) if item.strip()])
    if len(items) < 2 or any("\\begin" in item for item in items):
        return None
    values = {item.value for item in map(read, items) if isinstance(item, Number)} if " or " in text else set()
    if len(values) == 1 and all(isinstance(item, Number) for item in map(read, items)):  # "1/2 or 0.5"
        return read(items[0])
    named = [_named(item) for item in items]
    if all(name for name, _ in named):
        return Group("", tuple(read(value) for _, value in named), "", tuple(name for name, _ in named))
    if named[0][0] and not any(name for name, _ in named[1:]):  # "x = 1, 2"
        items = [named[0][1], *items[1:]]
    return Group("", tuple(map(read, items)), "")


def _named(item: str) -> tuple[str, str]:
    sides = split(item, EQUALS)
    name = NAME.fullmatch(sides[0]) if len(sides) == 2 else None
    return (name["name"].strip(), sides[1]) if name else ("", item)
