r"""How an answer is meant, where the kind of the gold answer says so.

"17 \pmod{20}" is 17 where a number is asked for, "the point P(2, 3)" is a pair where a pair is, "1 to 2" a ratio where
a ratio is, "sqrt(3)" a root wherever no words are asked for. Only the spelling changes, never the value.
"""

import re

from rlvr_bench.tasks.verifiers.forms import Choice, Form, Group, Matrix, Number, Text, Union

_RESIDUE = re.compile(
    r"\s?\\(?:pmod|bmod|mod)(?![a-z])\s?(?:\{[^{}]{1,20}\}|[0-9]{1,9})\s*$|\s\(mod\s[^()]{1,20}\)\s*$"
)
_RATIO = re.compile(r"([0-9.]{1,30})\s?to\s?([0-9.]{1,30})")
_POINT = re.compile(
    r"(?:(?:[Tt]he|at|points?|vertex|center|centre|coordinates|vector|interval|is)\s){1,5}"
    r"(?=[A-Z]?'?[\s=]{0,3}[(\[])|[A-Z]'?\s?(?=\()"
)
_OUTWARD = re.compile(r"(?P<left>[\[\]])(?P<inside>[^\[\]()]{1,200},[^\[\]()]{1,200})(?P<right>[\[\]])")
_COLUMN = re.compile(r"(.*?)\\[dt]?binom\s?\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s?\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_ROOT = re.compile(r"(?<![\\A-Za-z])sqrt\s?(?:\(([^()]{1,200})\)|(?=\{))")
_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])(?P<name>arcsin|arccos|arctan|sin|cos|tan|cot|csc|ln|log|exp|pi|theta|infty)(?![A-Za-z])"
)
_INFINITY = re.compile(r"(?<![\\A-Za-z])infinity(?![A-Za-z])", re.IGNORECASE)


def as_asked(spelled: str, gold: Form | None) -> str:
    """`spelled`, an answer in plain spelling, as the kind of `gold` would have it written; the same without a gold."""
    if isinstance(gold, Text):
        return _RATIO.sub(r"\1:\2", spelled) if ":" in gold.words and _RATIO.fullmatch(spelled) else spelled
    if gold is None or isinstance(gold, Choice):
        return spelled
    if isinstance(gold, Number):
        spelled = _RESIDUE.sub("", spelled.replace("\\equiv", "="))
    if isinstance(gold, Group | Union):
        spelled = _inward(_POINT.sub("", spelled, count=1) if _POINT.match(spelled) else spelled)
    if isinstance(gold, Matrix) and (column := _COLUMN.fullmatch(spelled)):
        spelled = rf"{column[1]}\begin{{pmatrix}} {column[2]} \\ {column[3]} \end{{pmatrix}}"
    return _with_commands(spelled)


def _inward(text: str) -> str:
    """An interval whose open ends are brackets that are turned outward, "[2, 5[", with round ones."""
    match = _OUTWARD.fullmatch(text)
    if match is None or match["left"] + match["right"] == "[]":
        return text
    return f"{'(' if match['left'] == ']' else '['}{match['inside']}{')' if match['right'] == '[' else ']'}"


def _with_commands(text: str) -> str:
    """Functions and constants that stand without a backslash, with one."""
    text = _ROOT.sub(lambda root: rf"\sqrt{{{root[1]}}}" if root[1] else r"\sqrt", text)
    return _INFINITY.sub(r"\\infty", _FUNCTION.sub(r"\\\g<name>", text))
