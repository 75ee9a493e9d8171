r"""Plain arithmetic, worked out exactly: "3 + 1", "2(3+4)", "6 \times 7", "\frac{6}{2}", "2^3".

Only for saying whether an equation holds: "3 + 1 = 5" states nothing. A sum is never an answer by itself.
"""

import re
from fractions import Fraction

MAX_CHARACTERS = 300
MAX_TOKENS = 80
MAX_BITS = 4_000
"""Bounds beyond which a text is nobody's arithmetic."""

_SIGNS = (
    (re.compile(r"\\(?:times|cdot|ast)(?![A-Za-z])|(?<=[0-9)\s])[xX](?=[\s0-9(])"), "*"),
    (re.compile(r"\\div(?![A-Za-z])"), "/"),
    (re.compile(r"\\frac\s?\{([^{}]{1,100})\}\s?\{([^{}]{1,100})\}"), r"((\1)/(\2))"),
    (re.compile(r"\{"), "("),
    (re.compile(r"\}"), ")"),
    (re.compile(r"\$|(?<=[0-9]),(?=[0-9]{3}(?![0-9]))"), ""),
)
_TOKEN = re.compile(r"\s*(?:([0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})|(\*\*|[-+*/^()]))")
_OPERATOR = re.compile(r"[0-9)}.]\s*(?:[-+*/^(xX]|\\(?:times|cdot|div|ast)(?![A-Za-z]))|\\frac")

_STUTTER = re.compile(r"[-+]{2}")


def value(text: str) -> Fraction | None:
    """What a text of numbers, signs and round brackets comes to; None if it is anything else, or has no value."""
    if len(text) > MAX_CHARACTERS or not _OPERATOR.search(text) or _STUTTER.search(text):
        return None
    for pattern, replacement in _SIGNS:
        text = pattern.sub(replacement, text)
    tokens = _tokens(text.strip())
    if tokens is None:
        return None
    try:
        return _Reader(tokens).whole()
    except (_NotArithmeticError, ZeroDivisionError):
        return None


class _NotArithmeticError(Exception):
    """The tokens make no sum."""


def _tokens(text: str) -> list[str] | None:
    tokens: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or len(tokens) == MAX_TOKENS:
            return None
        tokens.append(match[1] or match[2].replace("**", "^"))
        place = match.end()
    return tokens


class _Reader:
    """Reads tokens from left to right: sums of products of powers, by descent."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = [*tokens, ""]
        self._place = 0

    def whole(self) -> Fraction:
        total = self._sum()
        if self._next():
            raise _NotArithmeticError
        return total

    def _next(self) -> str:
        return self._tokens[self._place]

    def _take(self, *signs: str) -> str:
        """The next token if it is one of `signs`, which is then passed; else nothing."""
        token = self._next()
        if not token or token not in signs:
            return ""
        self._place += 1
        return token

    def _sum(self) -> Fraction:
        total = self._product()
        while sign := self._take("+", "-"):
            part = self._product()
            total = total + part if sign == "+" else total - part
        return total

    def _product(self) -> Fraction:
        total = self._signed()
        while True:
            if sign := self._take("*", "/"):
                part = self._signed()
                total = total * part if sign == "*" else total / part
            elif self._next() == "(":  # 2(3+4)
                total *= self._power()
            else:
                return total

    def _signed(self) -> Fraction:
        if sign := self._take("-", "+"):
            return -self._signed() if sign == "-" else self._signed()
        return self._power()

    def _power(self) -> Fraction:
        base = self._atom()
        if not self._take("^"):
            return base
        exponent = self._signed()
        bits = max(base.numerator.bit_length(), base.denominator.bit_length())
        if exponent.denominator != 1 or bits * abs(exponent) > MAX_BITS:
            raise _NotArithmeticError
        return base ** int(exponent)

    def _atom(self) -> Fraction:
        if self._take("("):
            inside = self._sum()
            if not self._take(")"):
                raise _NotArithmeticError
            return inside
        token = self._next()
        if not token[:1].isdigit() and token[:1] != ".":
            raise _NotArithmeticError
        self._place += 1
        return Fraction(token if token[-1] != "." else token[:-1])
