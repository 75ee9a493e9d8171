r"""Numbers in text, read exactly and in bounded time: a value is read only if all that is said of it is understood.

| spelling | for example |
|---|---|
| sign | `-8`, `- 8`, `negative 8`; U+2212 and dashes too |
| digits | `1080`, `1,080`, `1 080`, `10{,}000`, `.5`, full-width digits |
| fraction, mixed | `1/2`, `\frac{1}{2}`, `2 1/2`, `2\frac{1}{2}`, `2 and a half` |
| power of ten, power | `1.2e3`, `3 x 10^6`, `2^{10}` |
| words | `eighteen`, `1.5 million`, `two thirds`, `one and a half million` |
| money, percent, unit | `$18.00`, `50%` (reads as 50), `12 \text{ m}^2`, `7 km/h`: dropped |
| equation | `x = 7`, `9 \times 2 = 18`: the right side; what can be worked out has to agree: not `3+1=5` |

A number counts only if what follows it is a unit, punctuation or words: not in `18\pi`, `5-10`, `18 or 5`, `2\sqrt{3}`,
`2x`. Sums and products are not computed (a question would be its own answer), and nothing is ever evaluated.
"""

import re
from fractions import Fraction

from rlvr_bench.tasks.verifiers import arithmetic
from rlvr_bench.tasks.verifiers.claims import says_otherwise
from rlvr_bench.tasks.verifiers.number_grammar import MAX_LENGTH, NUMBER, STATED, value
from rlvr_bench.tasks.verifiers.spelling import plain
from rlvr_bench.tasks.verifiers.units import ends_value

MAX_EQUATIONS = 20
"""Of a chain "a = b = c" so many left sides are passed over."""

MAX_STATED = 1_000
"""Of a line that follows a marker, so many characters are read."""

_WINDOW = 200

_SIGNED = r"\s?(-?)\s?([0-9][0-9.,]{0,99}|\.[0-9]{1,99})\s?"
_FRACTION = re.compile(rf"\s?\\frac\s?\{{{_SIGNED}\}}\s?\{{{_SIGNED}\}}")
_BRACED = re.compile(r"(?<![_^A-Za-z}])\{\s?([-+]?[0-9.,]+)\s?\}")
_SIGNED_BRACKETS = re.compile(
    r"^\s*(?:\|\s?-\s?([0-9][0-9.,]*)\s?\||-\s?\(\s?-\s?([0-9][0-9.,]*)\s?\)|-\s?\(\s?([0-9][0-9.,]*)\s?\))(?=[\s.]*$)"
)
_BARE = re.compile(r"\s*([-+]?[0-9]{1,50})\.?\s*")
_NEARLY = re.compile(
    r"^\s*(?:(?:the\s)?(?:final\s)?answer(?:\sis\b|:|\s=)|[a-z][a-z ]{0,30}:(?=\s)|\\(?:approx|simeq|sim)(?![a-z])"
    r"|=>?|->|:|~|not\s[^,;.=]{1,30},?\sbut(?:\srather)?(?= )"
    r"|(?:about|approximately|roughly|around|nearly|exactly|precisely|simply|just|only|equals?(?: to)?"
    r"|(?:[a-z] )?is|a total of|no(?:ne)? other than)(?= ))\s*",
    re.IGNORECASE,
)
_APPROXIMATES = re.compile(r"\\(?:approx|simeq|sim|doteq)(?![a-z])")
_EQUALS = re.compile(r"(?<![<>!=:\\])=(?![=>])")
_LEFT_SIDE = re.compile(r"(?P<side>(?:[^=.,;:!?\n]|[.,](?=[0-9])|!(?=\s?=))*?)(?<![<>!])=(?![=>])")
_PART_OF = re.compile(r"(?:\b(?:of|half|twice|double|triple|root|by|to|than|times|plus|minus)|%)\s*$", re.IGNORECASE)
_SUM = re.compile(
    r"(?P<before>^\s*|[A-Za-z]{2,},?\s+|[,;:]\s+|\*\s?\*)"
    r"(?P<sum>[-+]?(?:[$(0-9.]|\\frac)(?:[-+*/^(){}$0-9., xX]|\\(?:times|cdot|div|frac)(?![A-Za-z]))*)$"
)
_NUMBER_AND_WORD = re.compile(
    r"[^A-Za-z0-9=]*[0-9][0-9.,/]*\s*(?:%|[A-Za-z]{2,}(?![A-Za-z]))(?!\s{0,2}(?:[*+/-]|\\times|\\cdot|of)\s{0,2}[$0-9])"
)
_OPENS_EXPRESSION = re.compile(
    r"(?:[{^_*/+<>\\]|[A-Za-z0-9)]\(|\\(?!approx)[A-Za-z]+.*|[A-Za-z0-9)]\s?[-+]\s?)$", re.DOTALL
)
MULTIPLE = re.compile(r"\s*(?:-\s?|-?\s?[0-9.]{1,20}\s?)[A-Za-z]\s*")
"""A left side that says nothing of the right one: "2x = 5" says nothing is 5."""

_SEVERAL = re.compile(r"[,;]|\b(?:or|and)\b")
_INSIDE = re.compile(r"(?:[\^_]\s?\{?|\\[A-Za-z]+\s?\{)\s?$")


def parse_number(text: str) -> Fraction | None:
    """The number that `text` is as a whole, give or take signs around it and a unit after it; None if it is not one."""
    bare = _BARE.fullmatch(text)
    if bare:
        return Fraction(bare[1])
    if len(text) > 4 * MAX_LENGTH and len(text := plain(text)) > 4 * MAX_LENGTH:
        return None
    sides = _EQUALS.split(_written_plainly(text), maxsplit=MAX_EQUATIONS)
    if any(map(MULTIPLE.fullmatch, sides[:-1])) or any(map(_SEVERAL.search, sides[1:-1])):  # "a = 3, b = 5"
        return None
    number = _alone(sides[-1])
    if number is None and len(sides) > 1:
        return _worked_out(sides[-2], sides[-1])
    return number if number is not None and holds(sides[:-1], number) else None


def stated_number(text: str) -> Fraction | None:
    """The number that a line states: the first one in it, right of a leading equation; None if it states another thing.

    Words may stand before it ("she has 5 apples") and after it, but none that make it another number.
    """
    bare = _BARE.fullmatch(text)
    if bare:
        return Fraction(bare[1])
    text = _written_plainly(text[:MAX_STATED])
    before: list[str] = []
    for _ in range(MAX_EQUATIONS):
        left = None if _NUMBER_AND_WORD.match(text) else _LEFT_SIDE.match(text)
        if left is None:
            break
        if MULTIPLE.fullmatch(left["side"]):
            return None
        before.append(left["side"])
        text = text[left.end() :]
    first = _first(text)
    if first is None and before:
        return _worked_out(before[-1], text)
    return first if first is not None and holds(before, first) else None


def last_number(text: str) -> Fraction | None:
    """The last number in `text`; None if there is none, or if it is a part of something else (`18\\pi`)."""
    digit = re.search(r"[0-9][^0-9]*\Z", text)
    if digit is None:
        return None
    window = text[max(0, digit.start() - _WINDOW) :][: 2 * _WINDOW]
    if digit.start() > _WINDOW:
        window = window[max(window.find(" "), 0) :] if " " in window[:_WINDOW] else window
    window = _written_plainly(window)
    last = None
    for last in NUMBER.finditer(window):  # noqa: B007  # the last one is wanted
        pass
    if last is None or _INSIDE.search(window[: last.start()]) or says_otherwise(window[: last.start()]):
        return None
    if not ends_value(window[last.end() :], loosely=True):
        return None
    number, left = value(last), window[: last.start()].rstrip(" *")
    if number is None or not left.endswith("="):
        return number
    return number if holds([left[:-1].rpartition("=")[2]], number) else None


def canonical(number: Fraction) -> str:
    """One spelling per number ("51", "-3/2"), so that equal answers can be counted as text."""
    return str(number)


def same_value(one: Fraction, other: Fraction) -> bool:
    """Whether two numbers are equal, up to the noise in the last digits of a float ("75.00000000000001")."""
    if one == other:
        return True
    return any(map(_is_float, (one, other))) and abs(one - other) <= abs(other) / 10**12


def decimal_places(number: Fraction) -> int:
    """Digits behind the point; 0 for integers and for fractions that have no end."""
    rest, twos, fives = number.denominator, 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return max(twos, fives) if rest == 1 else 0


def _is_float(number: Fraction) -> bool:
    """Whether it has the fifteen digits or more, some of them behind the point, that a printed float with noise has."""
    return number.denominator >= 10**3 and abs(number.numerator) * 10 >= 10**14


def _written_plainly(text: str) -> str:
    text = _NEARLY.sub("", plain(text))
    if "(" in text or "|" in text:
        text = _SIGNED_BRACKETS.sub(lambda match: match[1] or match[2] or "-" + match[3], text, count=1)
    if "\\" in text:
        text = _APPROXIMATES.sub(r"\\approx=", text)
    if "{" in text:
        text = _BRACED.sub(r"\1", _FRACTION.sub(_slashed, text))
    return text


def _slashed(match: re.Match[str]) -> str:
    sign = "-" if (match[1] == "-") != (match[3] == "-") else ""
    return f" {sign}{match[2]}/{match[4]}"


def _alone(side: str) -> Fraction | None:
    """The number that is all of one side of an equation, with wrappers and a unit."""
    side = _NEARLY.sub("", side).strip(" \t\n\"'`*_").rstrip(".,;: ")
    while side[:1] + side[-1:] in ("()", "[]") and side[-1] not in side[1:-1]:
        side = side[1:-1].strip()
    match = STATED.match(side)
    if match is None:
        return None
    number, rest = value(match), side[match.end() :]
    if number is None or not (ends_value(rest, loosely=False) or _same_again(number, rest)):
        return None
    return number


def _first(text: str) -> Fraction | None:
    text = _NEARLY.sub("", text.lstrip(" \t:*\"'([|_")).lstrip(" \t*\"'([|_")
    match = STATED.search(text)
    if match is None:
        return None
    lead, rest = text[: match.start()], text[match.end() :]
    apart = match["sign"] is not None and match["sign"][-1:] == " " and match["sign"][0] in "+-"
    if (
        lead.endswith("-")  # "--8"
        or _OPENS_EXPRESSION.search(lead)
        or says_otherwise(lead)
        or (apart and lead.rstrip(" *")[-1:] not in ("", ":"))
    ):
        return None
    number = value(match)
    return number if number is not None and (ends_value(rest, loosely=True) or _same_again(number, rest)) else None


def _same_again(number: Fraction, rest: str) -> bool:
    """Whether the number is only said in another way: "1/2 or 0.5", "eighteen (18)"."""
    other = re.match(r"(?:\s*,?\s*\(?or\s+|\s+\()(.{1,60}?)\)?[.\s]*$", rest)
    return other is not None and _alone(other[1]) == number


def holds(sides: list[str], last: Fraction) -> bool:
    """Whether the sides left of the last one of an equation say no other number ("4 = 5", "3 + 1 = 5").

    A sum has to come to the number right of it. Of "3 + 4 = 7 + 5 = 12" the first part is a step, and no equation.
    """
    numbers = [*map(_left, sides), last]
    if any(number is not None and abs(number - last) > abs(last) / 100 for number in numbers):
        return False
    return all(number is None or _comes_to(side, number) for side, number in zip(sides, numbers[1:], strict=True))


def _left(side: str) -> Fraction | None:
    """A number on the left, which has to agree with what follows; a quotient or a percentage is a step towards it."""
    return None if "/" in side or "^" in side or "%" in side else _alone(side)


def _worked_out(left: str, right: str) -> Fraction | None:
    """The number left of a sum that comes to it: "18 = 9 * 2"."""
    number = _alone(left)
    return number if number is not None and number == arithmetic.value(right.strip(" .")) else None


def _comes_to(side: str, number: Fraction) -> bool:
    """Whether the sum at the end of a text comes to `number`, exactly or rounded to its places; yes if there is none.

    What words make another value of ("half of 3 + 1") is no sum.
    """
    side = side[-arithmetic.MAX_CHARACTERS :].rstrip()
    found = _SUM.search(side)
    total = arithmetic.value(found["sum"]) if found and not _PART_OF.search(side[: found.start("sum")]) else None
    if total is None or same_value(total, number):
        return True
    unit = Fraction(1, 10 ** decimal_places(number))
    return total % unit != 0 and abs(total - number) < unit
