"""Numbers in text: integers, decimals, fractions and mixed numbers, read exactly and in bounded time.

Handles signs (also U+2212), thousands separators, currency and percent signs (both dropped: "50%" reads as 50),
simple LaTeX (`\\frac{1}{2}`, `\\$`, `10{,}000`), exponents of at most three digits. Expressions are not computed, and
nothing is ever evaluated. Symbolic answers are for `latex`.
"""

import re
from collections import deque
from fractions import Fraction

MAX_LENGTH = 100
"""Longer numerals are not read: nobody's answer, and converting them takes time quadratic in the length."""

MAX_EQUATIONS = 20
"""Of a chain "a = b = c" so many left sides are passed over."""

_SPACES = r"\u00a0\u2009\u202f"
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile("[\u2212\ufe63\uff0d]"), "-"),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\\(?:left|right|displaystyle)\b|\\[,!;: ]|\^\{?\\circ\}?|\\circ\b"), ""),
    (re.compile(r"\\(?:text|textbf|mathrm|mathbf|mbox)\s?\{([^{}]{0,100})\}"), r" \1 "),
    (re.compile(rf"(?<=[0-9])[{_SPACES}](?=[0-9]{{3}}(?![0-9]))"), ""),
    (re.compile(r"(?<=[0-9])\s?(?=\\[dt]?frac)"), " "),
    (re.compile(r"\\[dt]?frac\s?\{\s?(-?[0-9.,]{1,100})\s?\}\s?\{\s?([0-9.,]{1,100})\s?\}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac\s?([0-9])\s?([0-9])"), r"\1/\2"),
)

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,33}(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{{1,3}}(?![0-9]))?"
_NUMBER = re.compile(
    r"(?<![A-Za-z_0-9])(?<![0-9]\.)(?P<sign>(?<![\w)\]}])[-+])?(?P<money>[$€£¥]\s?)?(?P<late_sign>(?<=[$€£¥])-)?"
    rf"(?:(?P<whole>[0-9]{{1,30}})\s(?=[0-9]{{1,30}}\s?/\s?[0-9]))?(?P<top>{_DECIMAL})(?:\s?/\s?(?P<bottom>{_DECIMAL}))?"
)
_UNIT = r"(?:\s?[%°]|\s+[A-Za-z][A-Za-z .]{0,60})?"
_ALONE = re.compile(rf"[\s*$`\"'(]*(?P<number>{re.sub(r'[?]P<[a-z_]+>', '?:', _NUMBER.pattern)}){_UNIT}[\s*$`\"').]*")
_UNKNOWN_EQUALS = re.compile(r"[^A-Za-z=]{0,100}[A-Za-z]?[^A-Za-z=]{0,100}=(?!=)")


def parse_number(text: str) -> Fraction | None:
    """The number that `text` is as a whole, give or take signs around it and a unit after it; None if it is not one."""
    match = _ALONE.fullmatch(right_hand_side(normalised(text)))
    found = _NUMBER.search(match["number"]) if match else None
    return _value(found) if found else None


def first_number(text: str) -> Fraction | None:
    """The first number in `text`, right of a leading equation ("3*4 = 12", "x = 12"); None if there is none."""
    found = _NUMBER.search(right_hand_side(normalised(text)))
    return _value(found) if found else None


def last_number(text: str) -> Fraction | None:
    """The last number in `text`; None if there is none."""
    last = deque(_NUMBER.finditer(normalised(text)), maxlen=1)
    return _value(last[0]) if last else None


def normalised(text: str) -> str:
    """`text` with typographic and LaTeX spellings of numbers rewritten in plain characters."""
    if text.isascii() and "\\" not in text and "{" not in text:  # nearly all text, and nothing below applies to it
        return text
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return text


def right_hand_side(text: str) -> str:
    """What follows the leading equations of `text`, whose left sides hold at most one unknown of one letter."""
    for _ in range(MAX_EQUATIONS):
        match = _UNKNOWN_EQUALS.match(text)
        if match is None:
            break
        text = text[match.end() :]
    return text


def canonical(number: Fraction) -> str:
    """One spelling per number ("51", "-3/2"), so that equal answers can be counted as text."""
    return str(number)


def _value(match: re.Match[str]) -> Fraction | None:
    if len(match[0]) > MAX_LENGTH:
        return None
    top, bottom = Fraction(match["top"].replace(",", "")), Fraction((match["bottom"] or "1").replace(",", ""))
    if bottom == 0:
        return None
    size = Fraction(match["whole"] or 0) + top / bottom
    return -size if "-" in (match["sign"], match["late_sign"]) else size
