"""Answers taken apart at signs that stand outside of all brackets."""

import re

MAX_DEPTH = 60
"""Brackets nested deeper than this are nobody's answer, and too deep for what parses them."""

_TOKEN = re.compile(r"\\left|\\right|\\[A-Za-z]+|\\.|.", re.DOTALL)
_OPENING = {"(": 1, "[": 1, "{": 1, "\\{": 1, "\\langle": 1, "\\lbrace": 1, "\\lbrack": 1}
_CLOSING = {")": -1, "]": -1, "}": -1, "\\}": -1, "\\rangle": -1, "\\rbrace": -1, "\\rbrack": -1}
_STEP = _OPENING | _CLOSING
BRACKETS = {
    "(": "(", "[": "[", "\\{": "{", "\\langle": "(", "\\lbrace": "{", "\\lbrack": "[",
    ")": ")", "]": "]", "\\}": "}", "\\rangle": ")", "\\rbrace": "}", "\\rbrack": "]",
}  # fmt: skip


def depth(text: str) -> int:
    """How deep brackets are nested."""
    level = deepest = 0
    for token in _TOKEN.findall(text):
        level += _STEP.get(token, 0)
        deepest = max(deepest, level)
    return deepest


def split(text: str, separator: re.Pattern[str]) -> list[str]:
    """The parts of `text` between the places outside of brackets where `separator` matches."""
    parts, begin, level, place = [], 0, 0, 0
    while place < len(text):
        match = separator.match(text, place) if level == 0 else None
        if match and match.end() > place:
            parts.append(text[begin:place])
            begin = place = match.end()
            continue
        token = _TOKEN.match(text, place)
        assert token is not None
        level = max(level + _STEP.get(token[0], 0), 0)
        place = token.end()
    return [*parts, text[begin:]]


def enclosed(text: str) -> tuple[str, str, str] | None:
    """(left bracket, what is inside, right bracket) if one pair stands around all of `text`; else None.

    A pair may be of two kinds: "(3, 4]".
    """
    level, first = 0, None
    for token in _TOKEN.finditer(text):
        first = first or token
        level += _STEP.get(token[0], 0)
        if level <= 0:
            whole = token is not first and token.end() == len(text)
            if not whole or first[0] not in BRACKETS or token[0] not in BRACKETS:
                return None
            return BRACKETS[first[0]], text[first.end() : token.start()].strip(), BRACKETS[token[0]]
    return None
