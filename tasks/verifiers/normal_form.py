r"""From the text of an answer to its normal form, see `forms`.

Nothing is evaluated here; what two expressions are to each other is for `math_process` to say.
"""

import re
from fractions import Fraction

from rlvr_bench.tasks.verifiers.claims import begins_otherwise
from rlvr_bench.tasks.verifiers.forms import (
    DOTS,
    Based,
    Choice,
    Contradiction,
    Expression,
    Form,
    Group,
    Matrix,
    Number,
    Text,
    Time,
    Union,
)
from rlvr_bench.tasks.verifiers.hints import as_asked
from rlvr_bench.tasks.verifiers.numerals import MULTIPLE, holds, parse_number
from rlvr_bench.tasks.verifiers.spelling import plain, unbraced
from rlvr_bench.tasks.verifiers.splitting import MAX_DEPTH, depth, enclosed, split
from rlvr_bench.tasks.verifiers.units import VALUE_WORD

_REALS = Group("(", (Expression("-\\infty"), Expression("\\infty")), ")")

_UNIT_TEXT = re.compile(
    r"(?:\\[ ,;:]|~|\s)*\\(?:text|textrm|textbf|textit|mathrm|mbox)\s?\{(?!\s?[ie]\s?\})[^{}]*\}"
    r"(?:\s?\^\s?\{?-?[1-4]\}?)?[.\s$]*$"
)
_TEXT_GROUP = re.compile(r"\\(?:text|textrm|textbf|textit|mathrm|mbox)\s?\{[^{}]*\}")
_UNIT_WORDS = re.compile(
    rf"(?<=[0-9A-Za-z)}}°])\s+(?:(?!(?:and|or|sin|cos|tan|cot|sec|csc|log|exp)\b|{VALUE_WORD})[A-Za-z]{{2,20}}\b\s?){{1,4}}"
    r"(?:\^\{?[1-4]\}?)?$"
)
_VARIABLE = re.compile(r"[0-9)}]\s*[A-Za-z](?![A-Za-z])")
_FUNCTION = re.compile(
    r"\b(?:sin|cos|tan|cot|sec|csc|log|ln|exp|max|min|gcd|lcm|arcsin|arccos|arctan|det|mod|sqrt|frac|pi|deg)\b"
)
_WORDS = re.compile(r"(?=.*[A-Za-z]{3})[A-Za-z][A-Za-z .,'&-]*")
_DATED = re.compile(r"(?=.*[A-Za-z]{3})[A-Za-z0-9][A-Za-z0-9 .,'&-]*")
_TIME = re.compile(r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-5][0-9]))?(?::00)?\s?(?P<half>[AaPp]\.?\s?[Mm]\b\.?)?")
_BASED = re.compile(
    r"\(?(?P<digits>[0-9A-Fa-f][0-9A-Fa-f., ]{0,80}?)\)?\s?(?:_\s?[{(]{0,2}\s?(?:base\s)?|\s\(?(?:in\s)?base[\s-])"
    r"(?P<base>[0-9]{1,2}|[a-z]{3,8})\s?[)}]{0,2}"
)
_BASE_WORDS = re.findall("[a-z]+", "two three four five six seven eight nine ten eleven twelve")
_BASES = {word: base for base, word in enumerate(_BASE_WORDS, start=2)} | {"sixteen": 16}
_MATRIX = re.compile(r"\\begin\s?\{((?:[pbBvV]|small)?matrix|array)\}(?:\{[^{}]*\})?(.*)\\end\s?\{\1\}", re.DOTALL)
_COMMA = re.compile(
    r"(?:,(?![0-9]{3}(?![0-9]))|,(?<![0-9],)|;)\s?(?:\b(?:and|or)\b)?|\s(?:and|or)\s|\\(?:land|lor|vee|wedge)(?![a-z])"
)
_COMMA_INSIDE = re.compile(r"[,;]")
_SYMBOL = r"(?:\\[A-Za-z]+|[A-Za-z])(?:_\{?\w{1,3}\}?)?'?"
_SET_BUILDER = re.compile(rf"\\\{{\s?{_SYMBOL}\s?(?:\\in\s?\S+\s?)?(?:\||:|\\mid|\\vert)(?![a-z])(.*)\\\}}", re.DOTALL)
_ALL_REAL = re.compile(r"\\mathbb\s?\{?R\}?|\\R|all real(?: number)?s", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:a|an|the) (?=[a-z]{2})")
_CUP = re.compile(r"\\cup(?![a-z])|\s?\bU\b\s?")
_OR = re.compile(r",?\s(?:or)\s|,|\\(?:lor|vee)(?![a-z])")
_AND = re.compile(r",?\sand\s|\\(?:land|wedge)(?![a-z])")
_RELATION = re.compile(r"\\(?:le|ge|lt|gt)(?![A-Za-z])|[<>]=?")
_EQUALS = re.compile(r"(?<![<>!=:])=(?!=)")
_MEMBER = re.compile(r"\s*(?:\\(?:in|mathbb|lambda|theta|alpha)|[A-Za-z])?\s*\\in(?![a-z])\s*")
_ARGUMENTS = r"(?:\s?\([^()=]{1,40}\))?"
_NAME = re.compile(
    rf"\s*(?P<name>{_SYMBOL}(?:\s?\^\s?\{{?-1\}}?)?{_ARGUMENTS}"
    r"|(?:m\s?)?(?:\\(?:angle|triangle|overline)\s?)?\{?[A-Za-z][A-Za-z ]{1,30}\}?)\s*"
)
_CHOICE = re.compile(r"\(?\s?([A-J])\s?\)?\s?\.?")
_THREE_DOTS = re.compile(r"(?<=,)\s*\.{3}")
_REPEATING = re.compile(
    r"(?P<sign>-?)\s?(?P<before>[0-9]{0,30}\.[0-9]{0,30})\s?\\overline\s?\{?(?P<period>[0-9]{1,30})\}?"
)
_RATIO = re.compile(r"[0-9.]{1,30}(?:\s?:\s?[0-9.]{1,30})+")
_PLUS_MINUS = re.compile(r"\\(pm|mp)(?![a-z])")
_ROUGHLY = re.compile(
    r"\s*\(\s*(?:\\(?:approx|simeq|sim)|(?:or )?(?:approx(?:imately|\.)?|about|roughly))\s*[^()]{1,40}\)[\s.]*$"
)
_TRAILING = " \t\n.,;:"


def normal_form(text: str, gold: "Form | None" = None) -> Form:
    """The form of an answer; `gold`, the form of the gold answer, says what a doubtful one is meant to be.

    "12 m" is a number with a unit where a number is asked for, and a product where an expression is.
    """
    spelled = _trimmed(_ROUGHLY.sub("", _THREE_DOTS.sub(r" \\ldots", plain(text))))
    if depth(spelled) > MAX_DEPTH:
        return Expression(spelled)
    if "\\approx" in spelled:
        exact, _, rounded = spelled.partition("\\approx")
        meant = isinstance(gold, Number) and parse_number(rounded) == gold.value
        spelled = _trimmed(rounded if meant or not exact.strip() or _NAME.fullmatch(exact) else exact)
    if isinstance(gold, Number | Expression | Choice | Based | Time) and begins_otherwise(spelled):
        return Contradiction()
    spelled = as_asked(spelled, gold)
    equation = gold is None or (isinstance(gold, Expression) and "=" in gold.latex + gold.equation)
    if equation and (whole := _equation(spelled)) is not None:
        return whole
    variable = _VARIABLE.search(plain(_TEXT_GROUP.sub(" ", text))) is not None
    if isinstance(gold, Number) and parse_number(spelled) == gold.value and "%" not in spelled:
        return gold
    return _form(spelled, text, variable and not isinstance(gold, Number))


def _form(spelled: str, raw: str, variable: bool) -> Form:
    if _ALL_REAL.fullmatch(spelled):
        return _REALS
    short = _short_form(spelled, raw, variable)
    if short is not None:
        return short
    structure = _matrix(spelled) or _interval_or_union(spelled) or _bracketed(spelled) or _listed(spelled)
    return structure or _expression(spelled, raw)


def _trimmed(text: str) -> str:
    return text.strip().rstrip(_TRAILING)


def _item(text: str) -> Form:
    text = _trimmed(unbraced(text))
    return DOTS if text == "\\ldots" else _form(text, text, _VARIABLE.search(text) is not None)


def _short_form(spelled: str, raw: str, variable: bool) -> Form | None:
    """Forms that are read as a whole: options, times, bases, numbers, words."""
    if _TEXT_GROUP.fullmatch(raw.strip()) and spelled.isalpha() and len(spelled) > 1:
        return Text(spelled.casefold())
    choice = _CHOICE.fullmatch(spelled)
    if choice:
        return Choice(choice[1])
    time = _time(spelled)
    if time is not None:
        return time
    if _RATIO.fullmatch(spelled):
        return Text("".join(spelled.split()))
    based = _BASED.fullmatch(spelled)
    if based and (based["base"].isdigit() or based["base"] in _BASES):
        base = int(based["base"]) if based["base"].isdigit() else _BASES[based["base"]]
        return Based(re.sub(r"[, ]", "", based["digits"]).lower(), base)
    pair = spelled[:1] in ("(", "[") and "," in spelled  # (50,100), which may be 50,100 where no pairs are asked for
    number = None if variable or pair else parse_number(spelled)
    number = _repeating(spelled) if number is None else number
    if number is not None:
        return Number(number, "%" in spelled or "percent" in spelled.lower(), _latex_number(number))
    if _WORDS.fullmatch(spelled) and not _FUNCTION.search(spelled) and not re.search(r"(?:^| )[a-z] ?[-=] ?", spelled):
        return Text(_ARTICLE.sub("", " ".join(re.sub(r"[.,]", " ", spelled).casefold().split())))
    if _TEXT_GROUP.fullmatch(raw.strip()) and _DATED.fullmatch(spelled) and not _FUNCTION.search(spelled):
        return Text(" ".join(spelled.replace(",", " ").casefold().split()))
    return None


def _repeating(text: str) -> Fraction | None:
    r"""The value of "0.1\overline{6}"."""
    found = _REPEATING.fullmatch(text)
    if found is None:
        return None
    fixed, period = found["before"], found["period"]
    places = len(fixed.partition(".")[2])
    size = Fraction(f"{fixed}0") + Fraction(int(period), (10 ** len(period) - 1) * 10**places)
    return -size if found["sign"] else size


def _latex_number(number: Fraction) -> str:
    sign, top, bottom = "-" if number < 0 else "", abs(number.numerator), number.denominator
    return f"{sign}{top}" if bottom == 1 else rf"{sign}\frac{{{top}}}{{{bottom}}}"


def _time(text: str) -> Time | None:
    if text.casefold() in ("noon", "midnight"):
        return Time(0, "p" if text.casefold() == "noon" else "a")
    match = _TIME.fullmatch(text)
    if not match or not (match["minute"] or match["half"]) or int(match["hour"]) > 24:
        return None
    hour = int(match["hour"])
    half = match["half"][0].lower() if match["half"] else "p" if 12 < hour < 24 else None
    return Time(hour % 12 * 60 + int(match["minute"] or 0), half)


def _matrix(text: str) -> Matrix | None:
    around = enclosed(text)
    match = _MATRIX.fullmatch(around[1] if around and around[1].startswith("\\begin") else text)
    if not match or match[1] in ("vmatrix", "Vmatrix") or "\\begin" in match[2]:
        return None
    lines = [line for line in re.split(r"\\\\(?:\[[^\]]*\])?|\\cr", match[2].replace("\\hline", "")) if line.strip()]
    return Matrix(tuple(tuple(_item(entry) for entry in line.split("&")) for line in lines))


def _interval_or_union(text: str) -> Form | None:
    builder = _SET_BUILDER.fullmatch(text)
    text = builder[1].strip() if builder else text
    member = _MEMBER.match(text)
    if member:
        text = text[member.end() :]
    if _ALL_REAL.fullmatch(text):
        return _REALS
    parts = split(text, _CUP)
    if len(parts) == 1 and _RELATION.search(text):
        parts = split(text, _OR)
        parts = parts if all(map(_RELATION.search, parts)) else [text]
    if len(parts) > 1:
        return Union(tuple(map(_interval_item, parts)))
    if (between := _between(split(text, _AND))) is not None:
        return between
    return _bracketed(text) if member else _inequality(text)


def _between(bounds: list[str]) -> Group | None:
    r"""The interval of "x \ge 2 and x < 5"; None for anything else."""
    halves = [half for half in map(_inequality, bounds) if half is not None]
    below = [half for half in halves if half.items[1] == _REALS.items[1]]
    above = [half for half in halves if half.items[0] == _REALS.items[0]]
    if len(bounds) != 2 or len(below) != 1 or len(above) != 1:
        return None
    return Group(below[0].left, (below[0].items[0], above[0].items[1]), above[0].right)


def _interval_item(text: str) -> Form:
    text = _trimmed(text)
    return _inequality(text) or _item(text)


def _inequality(text: str) -> Group | None:
    r"""An interval for "a < x \le b", "x > a" and their mirror images; None for other relations."""
    sides = [side.strip() for side in split(text, _RELATION)]
    signs = [
        "<" if sign in ("<", "\\lt") else ">" if sign in (">", "\\gt") else sign for sign in _RELATION.findall(text)
    ]
    if len(signs) != len(sides) - 1 or not 1 <= len(signs) <= 2:
        return None
    signs = ["<=" if sign in ("\\le", "<=") else ">=" if sign in ("\\ge", ">=") else sign for sign in signs]
    if len({sign[0] for sign in signs}) != 1:
        return None
    if signs[0][0] == ">":
        sides, signs = sides[::-1], signs[::-1]
    symbol = re.compile(_SYMBOL)
    closed = [len(sign) == 2 for sign in signs]
    if len(sides) == 3 and symbol.fullmatch(sides[1]):
        return Group("[" if closed[0] else "(", (_item(sides[0]), _item(sides[2])), "]" if closed[1] else ")")
    if len(sides) == 2 and symbol.fullmatch(sides[0]) and not symbol.fullmatch(sides[1]):
        return Group("(", (_item("-\\infty"), _item(sides[1])), "]" if closed[0] else ")")
    if len(sides) == 2 and symbol.fullmatch(sides[1]) and not symbol.fullmatch(sides[0]):
        return Group("[" if closed[0] else "(", (_item(sides[0]), _item("\\infty")), ")")
    return None


def _bracketed(text: str) -> Form | None:
    enclosing = enclosed(text)
    if enclosing is None:
        name, equals, rest = text.partition("=")
        form = _bracketed(rest.strip()) if equals and enclosed(rest.strip()) else None
        named = _NAME.fullmatch(name) or (enclosed(name.strip()) and not re.search("[0-9]", name))
        return form if named else None
    left, inside, right = enclosing
    items = _spread(split(inside, _COMMA_INSIDE))
    if len(items) == 1:
        return _item(inside) if left != "[" else None
    return Group(left, tuple(map(_item, items)), right)


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


def _listed(text: str) -> Form | None:
    items = _spread([item for item in split(text, _COMMA) if item.strip()])
    if len(items) < 2 or any("\\begin" in item for item in items):
        return None
    values = {item.value for item in map(_item, items) if isinstance(item, Number)} if " or " in text else set()
    if len(values) == 1 and all(isinstance(item, Number) for item in map(_item, items)):  # "1/2 or 0.5"
        return _item(items[0])
    named = [_named(item) for item in items]
    if all(name for name, _ in named):
        return Group("", tuple(_item(value) for _, value in named), "", tuple(name for name, _ in named))
    if named[0][0] and not any(name for name, _ in named[1:]):  # "x = 1, 2"
        items = [named[0][1], *items[1:]]
    return Group("", tuple(map(_item, items)), "")


def _named(item: str) -> tuple[str, str]:
    sides = split(item, _EQUALS)
    name = _NAME.fullmatch(sides[0]) if len(sides) == 2 else None
    return (name["name"].strip(), sides[1]) if name else ("", item)


def _expression(spelled: str, raw: str) -> Form:
    sides = _sides(spelled)
    number = parse_number(sides[-1])
    if len(sides) > 1 and number is not None and not holds(sides[:-1], number):
        return Contradiction()
    if len(sides) > 1 and all(sides):
        if _NAME.fullmatch(sides[0]) or len(sides) > 2 or _states_value(sides[0]):
            value = _form(sides[-1], sides[-1], True)
            if isinstance(value, Expression) and len(sides) == 2:
                return Expression(value.latex, _for_algebra(spelled))
            return value
        return Expression(_for_algebra(spelled))
    if _UNIT_TEXT.search(raw) and (bare := _trimmed(plain(_UNIT_TEXT.sub("", raw)))):
        spelled = bare
    else:
        spelled = _UNIT_WORDS.sub("", spelled)
    return Expression(_for_algebra(spelled))


def _sides(text: str) -> list[str]:
    """The sides of an equation, a name that stands on the right first: "5 = x"."""
    sides = [side.strip() for side in split(text, _EQUALS)]
    turned = len(sides) == 2 and re.fullmatch(_SYMBOL, sides[1]) and not _NAME.fullmatch(sides[0])
    return sides[::-1] if turned else sides


def _states_value(left: str) -> bool:
    r"""Whether an equation states the value of what is on its left, as of "|z| = \sqrt{2}", and not of "2x = 5"."""
    return re.search("[A-Za-z]", left) is not None and not MULTIPLE.fullmatch(left)


def _equation(text: str) -> Expression | None:
    """An equation between expressions, which is an answer as a whole: "x^2 + y^2 = 25"."""
    sides = _sides(text)
    if len(sides) != 2 or not all(sides) or "," in text or _NAME.fullmatch(sides[0]) or not re.search("[a-z]", text):
        return None
    return Expression(_for_algebra(text)) if parse_number(sides[0]) is None or _states_value(sides[1]) else None


def _for_algebra(text: str) -> str:
    r"""Without thousands' commas and signs that algebra does not know."""
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))", "", text)
    text = re.sub(r"(?:(?<=[0-9])(?<![_^][0-9])|(?<=\\pi)\s?)\(", r"\\cdot (", text)
    return text.replace("°", "").replace("%", "").strip()
