r"""Intervals in any writing, `(3,4]`, `3 < x \le 4`, `\{x \mid x > 2\}`, and unions of them."""

import re

from rlvr_bench.tasks.verifiers.forms import Expression, Form, Group, Union
from rlvr_bench.tasks.verifiers.group_forms import Reader, bracketed
from rlvr_bench.tasks.verifiers.naming import SYMBOL
from rlvr_bench.tasks.verifiers.spelling import trimmed
from rlvr_bench.tasks.verifiers.splitting import split

REALS = Group("(", (Expression("-\\infty"), Expression("\\infty")), ")")
_SET_BUILDER = re.compile(rf"\\\{{\s?{SYMBOL}\s?(?:\\in\s?\S+\s?)?(?:\||:|\\mid|\\vert)(?![a-z])(.*)\\\}}", re.DOTALL)
ALL_REAL = re.compile(r"\\mathbb\s?\{?R\}?|\\R|all real(?: number)?s", re.IGNORECASE)
_CUP = re.compile(r"\\cup(?![a-z])|\s?\bU\b\s?")
_OR = re.compile(r",?\s(?:or)\s|,|\\(?:lor|vee)(?![a-z])")
_AND = re.compile(r",?\sand\s|\\(?:land|wedge)(?![a-z])")
_RELATION = re.compile(r"\\(?:le|ge|lt|gt)(?![A-Za-z])|[<>]=?")
_MEMBER = re.compile(r"\s*(?:\\(?:in|mathbb|lambda|theta|alpha)|[A-Za-z])?\s*\\in(?![a-z])\s*")


def interval_or_union(text: str, read: Reader) -> Form | None:
    r"""An interval, or several joined by \cup or "or"; None for anything else."""
    builder = _SET_BUILDER.fullmatch(text)
    text = builder[1].strip() if builder else text
    member = _MEMBER.match(text)
    if member:
        text = text[member.end() :]
    if ALL_REAL.fullmatch(text):
        return REALS
    parts = split(text, _CUP)
    if len(parts) == 1 and _RELATION.search(text):
        parts = split(text, _OR)
        parts = parts if all(map(_RELATION.search, parts)) else [text]
    if len(parts) > 1:
        return Union(tuple(_interval_item(part, read) for part in parts))
    if (between := _between(split(text, _AND), read)) is not None:
        return between
    return bracketed(text, read) if member else _inequality(text, read)


def _between(bounds: list[str], read: Reader) -> Group | None:
    r"""The interval of "x \ge 2 and x < 5"; None for anything else."""
    halves = [half for bound in bounds if (half := _inequality(bound, read)) is not None]
    below = [half for half in halves if half.items[1] == REALS.items[1]]
    above = [half for half in halves if half.items[0] == REALS.items[0]]
    if len(bounds) != 2 or len(below) != 1 or len(above) != 1:
        return None
    return Group(below[0].left, (below[0].items[0], above[0].items[1]), above[0].right)


def _interval_item(text: str, read: Reader) -> Form:
    text = trimmed(text)
    return _inequality(text, read) or read(text)


def _inequality(text: str, read: Reader) -> Group | None:
    r"""An interval for "a < x \le b", "x > a" and their mirror images; None for other relations."""
    sides = [side.strip() for side in split(text, _RELATION)]
    signs = [
        "<" if sign in ("<", "\\lt") else ">" if sign in (">", "\\gt") else sign for sign in _RELATION.findall(text)
    ]
    if len(signs) != len(sides) - 1 or not 1 <= len(signs) <= 2:
        return None
    # A chain reads in one direction: "a < x > b" says nothing of an interval.
    signs = ["<=" if sign in ("\\le", "<=") else ">=" if sign in ("\\ge", ">=") else sign for sign in signs]
    if len({sign[0] for sign in signs}) != 1:
        return None
    if signs[0][0] == ">":
        sides, signs = sides[::-1], signs[::-1]
    # From here on the smaller side is on the left, and the unknown stands in the middle or at one end.
    symbol = re.compile(SYMBOL)
    closed = [len(sign) == 2 for sign in signs]
    if len(sides) == 3 and symbol.fullmatch(sides[1]):
        return Group("[" if closed[0] else "(", (read(sides[0]), read(sides[2])), "]" if closed[1] else ")")
    if len(sides) == 2 and symbol.fullmatch(sides[0]) and not symbol.fullmatch(sides[1]):
        return Group("(", (read("-\\infty"), read(sides[1])), "]" if closed[0] else ")")
    if len(sides) == 2 and symbol.fullmatch(sides[1]) and not symbol.fullmatch(sides[0]):
        return Group("[" if closed[0] else "(", (read(sides[0]), read("\\infty")), ")")
    return None
