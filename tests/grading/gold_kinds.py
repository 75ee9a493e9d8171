r"""Gold answers of MATH by their kind: patterns of their LaTeX, and changes that apply to one kind only."""

import re
from collections.abc import Callable
from fractions import Fraction

Change = Callable[[str], str | None]

INTEGER = re.compile(r"-?[0-9]{1,15}")
FRACTION = re.compile(
    r"(?P<sign>-?)\\[dt]?frac\s?(?:\{(?P<top>[0-9]+)\}|(?P<t>[0-9]))"
    r"\s?(?:\{(?P<bottom>[0-9]+)\}|(?P<b>[0-9]))"
)
ROOT = re.compile(r"(?P<number>-?[0-9]+)\s?\\sqrt\s?\{?(?P<inside>[0-9]+)\}?")
PI = re.compile(r"(?P<number>[0-9]+)\s?\\pi")
DEGREES = re.compile(r"(?P<number>[0-9]+)\^\\circ")
TUPLE = re.compile(r"(?:\\left)?\((?P<inside>[^()\[\]]*?(?:,[^()\[\]]*?)+)(?:\\right)?\)")
INTERVAL = re.compile(
    r"(?:x \\in )?(?P<left>(?:\\left\s?)?[(\[])(?P<low>[^,()\[\]]+)"
    r",(?P<high>[^,()\[\]]+?)(?P<right>(?:\\right\s?)?[)\]])"
)
WORD = re.compile(r"\\text\{(?P<word>[A-Za-z]{3,})\}")
OPTION = re.compile(r"\\text\{\((?P<letter>[A-Z])\)\}")
BASED = re.compile(r"(?P<digits>[0-9]+)_\{?(?P<base>[0-9])\}?")
COMPLEX = re.compile(r"(?P<real>-?[0-9]+)\s?(?P<sign>[+-])\s?(?P<imaginary>[0-9]*)i")
NUMBERS = re.compile(r"(?![0-9]{1,3}(?:,[0-9]{3})+$)-?[0-9]+(?:,\s?-?[0-9]+)+")
MATRIX = re.compile(r"\\begin\{pmatrix\}(?P<rows>.*)\\end\{pmatrix\}")
MONEY = re.compile(r"\\\$(?P<number>[0-9.,\\!]+)")
MIXED = re.compile(r"(?P<whole>[0-9]+)\s?\\frac\{(?P<top>[0-9]+)\}\{(?P<bottom>[0-9]+)\}")
GROUPED = re.compile(r"[0-9]{1,3}(?:,(?:\\!)?\s?[0-9]{3})+")
DECIMAL = re.compile(r"[0-9]*\.[0-9]+")
SUM = re.compile(r"[-+]?[0-9a-zR^ ]+(?:[-+][0-9a-zR^ ]+)+")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def integer(form: Callable[[int], str | None]) -> Change:
    """Of gold answers that are integers."""
    return lambda gold: form(int(gold)) if INTEGER.fullmatch(gold) else None


def parts(gold: str) -> tuple[str, int, int] | None:
    """Sign, numerator and denominator of a fraction in LaTeX."""
    found = FRACTION.fullmatch(gold)
    return found and (found["sign"], int(found["top"] or found["t"]), int(found["bottom"] or found["b"]))


def fraction(form: Callable[[str, int, int], str | None]) -> Change:
    """Of gold answers that are fractions."""
    return lambda gold: form(*found) if (found := parts(gold)) else None


def matched(pattern: re.Pattern[str], form: Callable[[re.Match[str]], str | None]) -> Change:
    """Of gold answers that a pattern matches as a whole."""
    return lambda gold: form(found) if (found := pattern.fullmatch(gold)) else None


def point(form: Callable[[list[str]], str | None]) -> Change:
    """Of tuples: their components."""
    return matched(TUPLE, lambda found: form([part.strip() for part in found["inside"].split(",")]))


def interval(form: Callable[[str, str, str, str], str | None]) -> Change:
    """Of intervals that are surely such: with two kinds of brackets, or an infinite end."""

    def rewrite(gold: str) -> str | None:
        found = INTERVAL.fullmatch(gold)
        if not found:
            return None
        left, right = found["left"][-1], found["right"][-1]
        sure = (left == "(") != (right == ")") or "infty" in gold or gold.startswith("x")
        return form(left, found["low"].strip(), found["high"].strip(), right) if sure else None

    return rewrite


def number_text(value: Fraction) -> str | None:
    """A decimal that ends after six places at most."""
    scaled = value * 10**6
    return None if scaled.denominator != 1 else f"{float(value):.6f}".rstrip("0").rstrip(".")


def rounded(value: float, places: int = 2) -> str:
    """With so many digits behind the point."""
    return f"{value:.{places}f}"
