r"""Answers that are one thing: a number, an option, a time of day, a number in a base, a ratio, words."""

import re
from fractions import Fraction

from rlvr_bench.tasks.verifiers.forms import Based, Choice, Form, Number, Text, Time
from rlvr_bench.tasks.verifiers.numerals import parse_number

TEXT_GROUP = re.compile(r"\\(?:text|textrm|textbf|textit|mathrm|mbox)\s?\{[^{}]*\}")
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
_ARTICLE = re.compile(r"^(?:a|an|the) (?=[a-z]{2})")
_CHOICE = re.compile(r"\(?\s?([A-J])\s?\)?\s?\.?")
_REPEATING = re.compile(
    r"(?P<sign>-?)\s?(?P<before>[0-9]{0,30}\.[0-9]{0,30})\s?\\overline\s?\{?(?P<period>[0-9]{1,30})\}?"
)
_RATIO = re.compile(r"[0-9.]{1,30}(?:\s?:\s?[0-9.]{1,30})+")


def short_form(spelled: str, raw: str, variable: bool) -> Form | None:
    """Forms that are read as a whole: options, times, bases, numbers, words."""
    if TEXT_GROUP.fullmatch(raw.strip()) and spelled.isalpha() and len(spelled) > 1:
        return Text(spelled.casefold())
    # From the narrowest form to the widest: "(A)" is no word, "10:30" no ratio, "1011_2" no number.
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
    # Words are what is left: "x - 1" and "f of x" are letters, too, and go to algebra.
    if _WORDS.fullmatch(spelled) and not _FUNCTION.search(spelled) and not re.search(r"(?:^| )[a-z] ?[-=] ?", spelled):
        return Text(_ARTICLE.sub("", " ".join(re.sub(r"[.,]", " ", spelled).casefold().split())))
    if TEXT_GROUP.fullmatch(raw.strip()) and _DATED.fullmatch(spelled) and not _FUNCTION.search(spelled):
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
