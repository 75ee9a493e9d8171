"""One spelling for the many ways in which the same characters are written: Unicode, LaTeX, Markdown, HTML.

Changes how an answer is written, never what it says. Commands that carry mathematics (`\\frac`, `\\pi`) stay.
"""

import html
import re
import unicodedata
from collections.abc import Callable

_NAMED = (
    "text|textrm|textbf|textit|textsf|textnormal|mathrm|mathbf|mathit|mathsf|mbox|bm|boldsymbol|pmb|operatorname"
    "|boxed|fbox|underline|uline|emph|num"
)
_IN_BRACES = r"[^{}]*+(?:\{[^{}]*+(?:\{[^{}]*+\}[^{}]*+)*+\}[^{}]*+)*+"  # with braces in it, two deep
_FONT = re.compile(
    rf"\\(?:{_NAMED})\*?\s?\{{({_IN_BRACES})\}}|\\(?:{_NAMED})(?=[^A-Za-z{{])|\{{\\(?:rm|bf|it|sf)\b([^{{}}]*)\}}"
)
_FONT_DEPTH = 4
_WORD = r"\{\s?\\(?:text|mathrm)\s?\{([^{}]{1,40})\}\s?\}"
_UNIT_FRACTION = re.compile(rf"\\[dt]?frac\s?{_WORD}\s?{_WORD}")
_ROOT = re.compile(r"\u221a\s?(?:\(([^()]{1,200})\)|([0-9]{1,50}(?:\.[0-9]{1,50})?|[A-Za-z]))")

_GREEK = ("alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "pi", "phi", "omega")
_GREEK_LETTERS = dict(zip("αβγδθλμπφω", _GREEK, strict=True))
_MATHEMATICAL = range(0x1D400, 0x1D800)
"""Letters and digits in mathematical fonts, which models use where they cannot write bold."""

_DIGITS_OF_SCRIPTS = (0x660, 0x6F0, 0x966, 0x9E6)
"""Zeros of Arabic, Persian, Devanagari and Bengali."""


def _unstyled(code: int) -> str:
    sign = unicodedata.normalize("NFKC", chr(code))
    return rf"\{_GREEK_LETTERS[sign]} " if sign in _GREEK_LETTERS else sign


_SINGLE: dict[int, str] = {
    **{code: _unstyled(code) for code in _MATHEMATICAL},
    **{zero + digit: str(digit) for zero in _DIGITS_OF_SCRIPTS for digit in range(10)},
    **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full-width forms
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212\ufe63"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " "),
    **dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e"), ""),
    **dict.fromkeys([0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], ""),  # text direction
    **dict.fromkeys(map(ord, "\u2018\u2019\u201c\u201d"), "'"),
    **{
        ord(sign): f"^{digit}"
        for digit, sign in enumerate("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
    },
    **{
        ord(sign): f"_{digit}"
        for digit, sign in enumerate("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089")
    },
    ord("\u00bd"): " 1/2",
    ord("\u2153"): " 1/3",
    ord("\u2154"): " 2/3",
    ord("\u00bc"): " 1/4",
    ord("\u00be"): " 3/4",
    ord("\u2155"): " 1/5",
    ord("\u215b"): " 1/8",
    ord("\u2044"): "/",
    ord("\u00d7"): r"\times ",
    ord("\u00f7"): r"\div ",
    ord("\u00b7"): r"\cdot ",
    ord("\u22c5"): r"\cdot ",
    ord("\u00b1"): r"\pm ",
    ord("\u221a"): r"\sqrt ",
    **{ord(letter): rf"\{name} " for letter, name in _GREEK_LETTERS.items()},
    ord("\u2205"): r"\emptyset ",
    ord("\u221e"): r"\infty ",
    ord("\u2264"): r"\le ",
    ord("\u2265"): r"\ge ",
    ord("\u2260"): r"\ne ",
    ord("\u2208"): r"\in ",
    ord("\u222a"): r"\cup ",
    ord("\u2248"): r"\approx ",
    ord("\u2026"): r"\ldots ",
    ord("\u00ba"): "\u00b0",
}

_RUNS = re.compile(r"([_^])[0-9](?:\1[0-9])+")
_DIGITS_APART = r"(?<=[0-9])(?:{})(?=[0-9]{{3}}(?![0-9]))"
_SPACES = re.compile(r"[ \t]{2,}")
_THIN_SPACES = re.compile(r"(?<=[0-9])[\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_COMMAND = r"(?<!\\)\\"  # not the second half of a row's end in a matrix
_THIN = rf"{_COMMAND}[,;:! ]|~|\{{,\}}\s?(?:\\!)?|,\s?\\!\s?"
_TAGS = "b|i|u|p|em|strong|span|div|br|sup|sub|code|center|answer|s|eos|bos|pad|end_of_turn"
_Rewrites = tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]
_ANYWHERE: _Rewrites = (
    (
        re.compile(
            rf"</?(?:{_TAGS})\b[^<>]{{0,100}}>|<\|[^|<>]{{1,40}}\|>|[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff]", re.I
        ),
        " ",
    ),
    (
        re.compile(r"(?:(?<=[0-9)}])|(?<=\b[a-z]))\*\*(?:(-?[0-9]+)(?!\*)|(?=[({a-z]))"),
        lambda power: f"^{{{power[1]}}}" if power[1] else "^",
    ),
    (re.compile(r"\*\*|__|`|(?<=[0-9])'(?=[0-9]{3}(?![0-9]))"), ""),
    (re.compile(r"(?<!\\)\\\\(?=(?:[dtc]?frac|sqrt|pi|text|mathrm|left|right|boxed|infty|cup|pm)(?![a-z]))"), r"\\"),
)
_LINES = re.compile(r"\\begin\s?\{(aligned|align\*?|gathered|split)\}(.{0,1000}?)\\end\s?\{\1\}", re.DOTALL)
_IN_LATEX: _Rewrites = (
    (re.compile(_DIGITS_APART.format(_THIN)), ","),
    (re.compile(r"\{([,:])\}"), r"\1"),
    (re.compile(rf"{_COMMAND}!"), ""),
    (
        re.compile(
            r"\\(?:left|right|big|Big|bigg|Bigg|bigl|bigr|displaystyle|textstyle|limits|nolimits)(?![A-Za-z])\.?"
            r"|\\(?:tiny|small|normalsize|large|Large|LARGE|huge|Huge|centering)(?![A-Za-z])"
            r"|\\(?:textcolor|color|colorbox|bbox)\s?(?:\[[^\[\]{}]{0,40}\]\s?)?\{[A-Za-z0-9!#,. ]{0,40}\}"
        ),
        "",
    ),
    (re.compile(_COMMAND + r"(?:[,;:> ]|quad(?![a-z])|qquad(?![a-z])|hspace\s?\{[^{}]*\}|enspace(?![a-z]))|~"), " "),
    (
        re.compile(
            r"\b(?:US|AU|CA|HK|NZ|A|C|S)\s?\\?\$|\\(?:textdollar|pounds|textsterling|euro|texteuro|yen)(?![a-z])\s?"
        ),
        "",
    ),
    (re.compile(_COMMAND + r"([$%&#\u20ac\u00a3\u00a2])"), r"\1"),
    (re.compile(r"\{\s?([-+])\s?\}"), r"\1"),
    (re.compile(r"\\varnothing(?![a-z])|\\\{\s?\\\}"), r"\\emptyset"),
    (
        re.compile(
            r"\^\s?(?:\{\s?\\(?:circ|degree)(?![a-z])\s?\}|\\(?:circ|degree)(?![a-z]))|\\(?:degree|textdegree|circ)(?![a-z])"
        ),
        "\u00b0",
    ),
    (re.compile(r"(?<=[0-9])\s?\^\s?\{?\s{0,2}(st|nd|rd|th)(?![a-z])\s{0,2}\}?"), r"\1"),
    (re.compile(r"\\(?:[dtc]|nice|s|x)frac(?![a-z])"), r"\\frac"),
    (re.compile(r"\{([^{}]{1,200})\\over(?![a-z])([^{}]{1,200})\}"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s?(\\pi|[0-9])\s?(\\pi|[0-9a-z](?![a-z]))"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\frac\s?([0-9])\s?\{"), r"\\frac{\1}{"),
    (re.compile(r"(\\frac\s?\{[^{}]*\})\s?([0-9])"), r"\1{\2}"),
    (re.compile(r"\\(?:leq|leqslant)(?![a-z])"), r"\\le"),
    (re.compile(r"\\(?:geq|geqslant)(?![a-z])"), r"\\ge"),
    (re.compile(r"\\(?:dots|cdots|dotsc|dotsb)(?![a-z])|(?<=[,\s])\.\.\.(?=\s*,)"), r"\\ldots"),
    (re.compile(r"\\bigcup(?![a-z])"), r"\\cup"),
    (re.compile(r"\\colon(?![a-z])"), ":"),
    (re.compile(r"\\log\s?_\s?\{?e\}?(?![a-z])"), r"\\ln "),
    (re.compile(rf"{_COMMAND}[()\[\]]|\$"), ""),
)
_TRAILING = " \t\n.,;:"
_PLAIN = re.compile(r"[A-Za-z0-9 .,;:!?#%()+/=-]*")


def plain(text: str) -> str:
    """`text` in one spelling: ASCII signs where there are any, no fonts, no spacing commands, no mathematics marks."""
    if _PLAIN.fullmatch(text):  # nearly all answers, and nothing below applies to them
        return text.strip()
    if not text.isascii():
        text = _ROOT.sub(lambda root: rf"\sqrt{{{root[1] or root[2]}}}", _THIN_SPACES.sub(",", text)).translate(_SINGLE)
        text = _RUNS.sub(lambda run: f"{run[1]}{{{re.sub(r'[_^]', '', run[0])}}}", text)
    if "&" in text and ";" in text:
        text = html.unescape(text).translate(_SINGLE)
    for pattern, replacement in _ANYWHERE:
        text = pattern.sub(replacement, text)
    if "\\" in text or "{" in text or "~" in text or "$" in text:
        if "\\begin" in text:
            text = _LINES.sub(_listed, text)
        text = _without_fonts(_UNIT_FRACTION.sub(r"\\text{\1/\2}", text))
        for pattern, replacement in _IN_LATEX:
            text = pattern.sub(replacement, text)
        text = _SPACES.sub(" ", text).rstrip().rstrip("\\")
    return unbraced(text)


def trimmed(text: str) -> str:
    """`text` without white space around it and punctuation behind it."""
    return text.strip().rstrip(_TRAILING)


def unbraced(text: str) -> str:
    """`text` without braces or white space around all of it, however many, and without empty ones."""
    text = text.strip()
    depth = _outer_braces(text)
    while depth:
        text = text[depth:-depth].strip()
        depth = _outer_braces(text)
    return text


def _listed(lines: re.Match[str]) -> str:
    """Lines of formulas, one below the other, as a list."""
    return ", ".join(line.replace("&", "").strip() for line in lines[2].split("\\\\") if line.strip())


def _without_fonts(text: str) -> str:
    for _ in range(_FONT_DEPTH):
        shorter = _FONT.sub(lambda match: f" {match[1] or match[2] or ''} ", text)
        if shorter == text:
            break
        text = shorter
    return text


def _outer_braces(text: str) -> int:
    """How many pairs of braces stand around all of `text`: the least depth between its first and last run."""
    opening = len(text) - len(text.lstrip("{"))
    closing = len(text) - len(text.rstrip("}"))
    if closing and closing < len(text) and text[-closing - 1] == "\\":  # the first of them is escaped
        closing -= 1
    if not opening or not closing:
        return 0
    inner = text[opening : len(text) - closing]
    depth = lowest = opening
    for sign in re.findall(r"\\.|[{}]", inner):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        lowest = min(lowest, depth)
    return max(min(lowest, closing - max(depth - lowest, 0)), 0) if depth == closing else 0
