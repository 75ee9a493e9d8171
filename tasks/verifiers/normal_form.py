r"""From the text of an answer to its normal form, see `forms`.

One thing alone is read in `single_forms`, several in `group_forms`, intervals in `interval_forms`; what is left is an
expression, read here.

Nothing is evaluated here; what two expressions are to each other is for `math_process` to say.
"""

import re

from rlvr_bench.tasks.verifiers.claims import begins_otherwise
from rlvr_bench.tasks.verifiers.forms import DOTS, Based, Choice, Contradiction, Expression, Form, Number, Time
from rlvr_bench.tasks.verifiers.group_forms import bracketed, listed, matrix
from rlvr_bench.tasks.verifiers.hints import as_asked
from rlvr_bench.tasks.verifiers.interval_forms import ALL_REAL, REALS, interval_or_union
from rlvr_bench.tasks.verifiers.naming import EQUALS, NAME, SYMBOL
from rlvr_bench.tasks.verifiers.numerals import MULTIPLE, holds, parse_number
from rlvr_bench.tasks.verifiers.single_forms import TEXT_GROUP, short_form
from rlvr_bench.tasks.verifiers.spelling import plain, trimmed, unbraced
from rlvr_bench.tasks.verifiers.splitting import MAX_DEPTH, depth, split
from rlvr_bench.tasks.verifiers.units import VALUE_WORD

_UNIT_TEXT = re.compile(
    r"(?:\\[ ,;:]|~|\s)*\\(?:text|textrm|textbf|textit|mathrm|mbox)\s?\{(?!\s?[ie]\s?\})[^{}]*\}"
    r"(?:\s?\^\s?\{?-?[1-4]\}?)?[.\s$]*$"
)
_UNIT_WORDS = re.compile(
    rf"(?<=[0-9A-Za-z)}}°])\s+(?:(?!(?:and|or|sin|cos|tan|cot|sec|csc|log|exp)\b|{VALUE_WORD})[A-Za-z]{{2,20}}\b\s?){{1,4}}"
    r"(?:\^\{?[1-4]\}?)?$"
)
_VARIABLE = re.compile(r"[0-9)}]\s*[A-Za-z](?![A-Za-z])")
_THREE_DOTS = re.compile(r"(?<=,)\s*\.{3}")
_ROUGHLY = re.compile(
    r"\s*\(\s*(?:\\(?:approx|simeq|sim)|(?:or )?(?:approx(?:imately|\.)?|about|roughly))\s*[^()]{1,40}\)[\s.]*$"
)


def normal_form(text: str, gold: "Form | None" = None) -> Form:
    """The form of an answer; `gold`, the form of the gold answer, says what a doubtful one is meant to be.

    "12 m" is a number with a unit where a number is asked for, and a product where an expression is.
    """
    spelled = trimmed(_ROUGHLY.sub("", _THREE_DOTS.sub(r" \\ldots", plain(text))))
    if depth(spelled) > MAX_DEPTH:
        return Expression(spelled)
    if "\\approx" in spelled:
        exact, _, rounded = spelled.partition("\\approx")
        meant = isinstance(gold, Number) and parse_number(rounded) == gold.value
        spelled = trimmed(rounded if meant or not exact.strip() or NAME.fullmatch(exact) else exact)
    if isinstance(gold, Number | Expression | Choice | Based | Time) and begins_otherwise(spelled):
        return Contradiction()
    spelled = as_asked(spelled, gold)
    equation = gold is None or (isinstance(gold, Expression) and "=" in gold.latex + gold.equation)
    if equation and (whole := _equation(spelled)) is not None:
        return whole
    variable = _VARIABLE.search(plain(TEXT_GROUP.sub(" ", text))) is not None
    if isinstance(gold, Number) and parse_number(spelled) == gold.value and "%" not in spelled:
        return gold
    return _form(spelled, text, variable and not isinstance(gold, Number))


def _form(spelled: str, raw: str, variable: bool) -> Form:
    if ALL_REAL.fullmatch(spelled):
        return REALS
    short = short_form(spelled, raw, variable)
    if short is not None:
        return short
    structure = (
        matrix(spelled, _item)
        or interval_or_union(spelled, _item)
        or bracketed(spelled, _item)
        or listed(spelled, _item)
    )
    return structure or _expression(spelled, raw)


def _item(text: str) -> Form:
    text = trimmed(unbraced(text))
    return DOTS if text == "\\ldots" else _form(text, text, _VARIABLE.search(text) is not None)


def _expression(spelled: str, raw: str) -> Form:
    sides = _sides(spelled)
    number = parse_number(sides[-1])
    if len(sides) > 1 and number is not None and not holds(sides[:-1], number):
        return Contradiction()
    if len(sides) > 1 and all(sides):
        if NAME.fullmatch(sides[0]) or len(sides) > 2 or _states_value(sides[0]):
            value = _form(sides[-1], sides[-1], True)
            if isinstance(value, Expression) and len(sides) == 2:
                return Expression(value.latex, _for_algebra(spelled))
            return value
        return Expression(_for_algebra(spelled))
    if _UNIT_TEXT.search(raw) and (bare := trimmed(plain(_UNIT_TEXT.sub("", raw)))):
        spelled = bare
    else:
        spelled = _UNIT_WORDS.sub("", spelled)
    return Expression(_for_algebra(spelled))


def _sides(text: str) -> list[str]:
    """The sides of an equation, a name that stands on the right first: "5 = x"."""
    sides = [side.strip() for side in split(text, EQUALS)]
    turned = len(sides) == 2 and re.fullmatch(SYMBOL, sides[1]) and not NAME.fullmatch(sides[0])
    return sides[::-1] if turned else sides


def _states_value(left: str) -> bool:
    r"""Whether an equation states the value of what is on its left, as of "|z| = \sqrt{2}", and not of "2x = 5"."""
    return re.search("[A-Za-z]", left) is not None and not MULTIPLE.fullmatch(left)


def _equation(text: str) -> Expression | None:
    """An equation between expressions, which is an answer as a whole: "x^2 + y^2 = 25"."""
    sides = _sides(text)
    if len(sides) != 2 or not all(sides) or "," in text or NAME.fullmatch(sides[0]) or not re.search("[a-z]", text):
        return None
    return Expression(_for_algebra(text)) if parse_number(sides[0]) is None or _states_value(sides[1]) else None


def _for_algebra(text: str) -> str:
    r"""Without thousands' commas and signs that algebra does not know."""
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))", "", text)
    text = re.sub(r"(?:(?<=[0-9])(?<![_^][0-9])|(?<=\\pi)\s?)\(", r"\\cdot (", text)
    return text.replace("°", "").replace("%", "").strip()
