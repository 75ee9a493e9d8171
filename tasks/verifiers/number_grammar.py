r"""How one number is written, and what it comes to: digits, fractions, powers, words, scales, money.

`numerals` looks for these in texts, and says whether what stands around them leaves them what they are.
"""

import re
from fractions import Fraction

from rlvr_bench.tasks.verifiers import number_words

MAX_LENGTH = 100
"""Longer numerals are not read: nobody's answer, and converting them takes time quadratic in the length."""

MAX_POWER_BITS = 4_000

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,33}(?![0-9])|[0-9]+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{{1,3}}(?![0-9A-Za-z]))?"
_SPACED = r"[1-9][0-9]{0,2}(?: [0-9]{3}){1,10}(?:\.[0-9]+)?(?![0-9/]| ?[0-9]| ?/)"
_TIMES_TEN = r"\s{0,2}(?:\\times|\\cdot|\*|x|X)\s{0,2}10\s?\^\s?\{?\s?(?P<ten>[-+]?[0-9]{1,3})\s?\}?(?![0-9])"
_POWER = r"\s?\^\s?\{?\s?(?P<power>-?[0-9]{1,5})\s?\}?(?![0-9])"
_SCALE = rf"\s{{0,2}}-?(?P<scale>hundred|{'|'.join(number_words.SCALES)})s?(?![A-Za-z])|(?P<kilo>[kKM])(?![A-Za-z0-9])"
_BODY = (
    rf"(?:(?P<whole>[0-9]{{1,30}})(?:\s{{1,2}}|\sand\s)(?=[0-9]{{1,30}}\s?/\s?[0-9]))?"
    rf"(?P<top>@{_DECIMAL})(?:\s?/\s?(?P<bottom>{_DECIMAL})|{_TIMES_TEN}|{_POWER})?(?:{_SCALE})?"
)
_MONEY = r"(?:[$€£¥₹₩]|US\$|USD|EUR|GBP|Rs\.?)\s?"
_BEFORE = r"(?<![A-Za-z_0-9])(?<![0-9]\.)"
NUMBER = re.compile(
    rf"{_BEFORE}(?P<sign>(?<![\w)\]}}])[-+])?(?P<money>{_MONEY})?(?P<late_sign>(?<=[$€£¥])-)?{_BODY.replace('@', '')}"
)
"""A number anywhere in a text, in digits."""

STATED = re.compile(
    rf"{_BEFORE}(?:(?P<sign>[-+]\s?|(?:negative|minus)\s)(?=[^ ]))?(?:(?P<money>{_MONEY})(?P<late_sign>-)?)?"
    rf"(?:{_BODY.replace('@', _SPACED + '|')}"
    rf"|(?:(?P<words>an?\b|{number_words.PATTERN})[\s-])?(?P<part>{'|'.join(number_words.PARTS)})(?![A-Za-z]|\sof\b)"
    rf"|(?P<number>{number_words.PATTERN}))"
    r"(?:(?P<more> and (?:a|one) half| and a quarter)"
    rf"(?:\s(?P<times>{'|'.join(number_words.SCALES)})s?(?![A-Za-z]))?)?",
    re.IGNORECASE,
)
"""A number that is stated: in words too, with spaced thousands, a sign apart from it."""

_LETTERS = {"k": 10**3, "K": 10**3, "M": 10**6}
_MORE = {"half": Fraction(1, 2), "quarter": Fraction(1, 4)}


def value(match: re.Match[str]) -> Fraction | None:
    """The number that NUMBER or STATED matched; None if it is none, too long or too large."""
    if len(match[0]) > MAX_LENGTH:
        return None
    parts = match.groupdict()
    size = _size(parts)
    if size is None:
        return None
    if parts.get("more"):
        size += _MORE[parts["more"].split()[-1].lower()]
    size *= _scale(parts["scale"]) * _scale(parts.get("times")) * _LETTERS.get(parts["kilo"] or "", 1)
    return -size if "-" in (match["sign"] or "")[:1] + (match["late_sign"] or "") or _negative(match["sign"]) else size


def _scale(word: str | None) -> int:
    return 100 if word and word.lower() == "hundred" else number_words.SCALES.get((word or "").lower(), 1)


def _negative(sign: str | None) -> bool:
    return sign is not None and sign.strip().lower() in ("negative", "minus")


def _size(parts: dict[str, str | None]) -> Fraction | None:
    """The number without sign and scale; None if it divides by zero or is too large to be an answer."""
    if parts.get("part"):
        count = number_words.value(parts["words"] or "one")
        return None if count is None else Fraction(count, number_words.PARTS[(parts["part"] or "").lower()])
    if parts.get("number"):
        words = number_words.value(parts["number"] or "")
        return None if words is None else Fraction(words)
    top = Fraction(re.sub("[, ]", "", parts["top"] or ""))
    bottom = Fraction((parts["bottom"] or "1").replace(",", ""))
    if bottom == 0:
        return None
    if parts["power"] is not None:
        return _raised(top, int(parts["power"]))
    return (Fraction(parts["whole"] or 0) + top / bottom) * Fraction(10) ** int(parts["ten"] or 0)


def _raised(base: Fraction, power: int) -> Fraction | None:
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if bits * abs(power) > MAX_POWER_BITS or (base == 0 and power <= 0):
        return None
    return base**power
