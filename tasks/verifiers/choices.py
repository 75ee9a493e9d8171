"""Options of a multiple-choice question: "B", "(B)", "Option B", "B) 600", "6000, so B."

A letter is an option only where it stands as one: not the article in "a number", not one of "A or B".
"""

import re

from rlvr_bench.tasks.verifiers.claims import says_otherwise
from rlvr_bench.tasks.verifiers.spelling import plain

_LETTER = r"[A-Ja-j]"
_WORD = r"(?:(?:the|option|choice|letter|answer|correct|right|is)\s*:?\s+)"
_FIRST = re.compile(
    rf"\W{{0,5}}{_WORD}{{0,5}}\W{{0,3}}(?P<letter>{_LETTER})(?!\)?(?:\s*[+*/^]|-|\s+-(?!\s))\s?[0-9])"
    r"(?=\s*$|\s*[)\].:;,=\"'*]|\s+-|\s+(?:is\s+(?:correct|right|the)|because|since|(?:and|but)\s+not\b|rather\s+than"
    r"|as\b|which\b|\(|\W?[0-9]))",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"(?:^\W*(?=[A-J]\)?\s+is\s)|(?:\b|(?<=t'))"
    r"(?i:so|s|is|option|choice|letter|answer|thus|hence|therefore|choose|select|pick|means)"
    r"\s*:?,?\s*\(?|\()"
    r"(?P<letter>[A-J])\)?(?:\s+is\s+(?:correct|right|the\s(?:correct\s|right\s)?(?:answer|option|choice)))?[).\s!]*$"
)
_SEVERAL = re.compile(
    rf"\b{_LETTER}\)?\s*(?:(?:,|/|&|,?\s*\b(?:or|and)\b)\s*\(?{_LETTER}\b(?!\s+[a-z]{{2}})|or\s+\$?[0-9])",
    re.IGNORECASE,
)
_DENIED = re.compile(r"\W{0,5}(?:not|never|neither|none|anything but)\b", re.IGNORECASE)
_RULED_OUT = re.compile(
    r"\b(?:not|never|neither|nor|wrong|incorrect|rules? out|ruled out|eliminates?d?|except|but)\b|n't\b", re.IGNORECASE
)
_OPTION_LINE = re.compile(r"[\s*]*\(?(?P<letter>[A-J])\)[\s*]*\S")
_OPTION_LINES = re.compile(r"^[\s*]*\(?([A-J])\)", re.MULTILINE)
_ALONE = re.compile(
    rf"\W{{0,5}}(?:(?:option|choice|answer)\s*:?\s*\W{{0,3}})?(?P<letter>{_LETTER})\W{{0,5}}", re.IGNORECASE
)


def is_choice(answer: str) -> bool:
    """Whether a gold answer is an option: one letter from A to J, whatever stands around it."""
    return len(answer) <= 20 and re.fullmatch(rf"\W*{_LETTER}\W*", plain(answer)) is not None


def stated_choice(text: str) -> str | None:
    """The option that a line states, as a capital letter; None if it states none, or several."""
    text = plain(text[:500])
    if _SEVERAL.match(text.lstrip(" ([*")) or _DENIED.match(text):
        return None
    match = _FIRST.match(text)
    if match and (match["letter"].isupper() or _clearly_a_letter(text, match)):
        return match["letter"].upper()
    sentence = re.split(r"(?<=[a-zA-Z)])\.\s", text.rstrip(" ."), maxsplit=1)[0]
    last = _LAST.search(text) or _LAST.search(sentence)
    if last is None or says_otherwise(text[: last.start("letter")]):
        return None
    return None if _SEVERAL.search(text[max(last.start() - 20, 0) :]) else last["letter"]


def last_line_choice(text: str) -> str | None:
    """The option that the last line is, or names at its end; None if the last line is another thing.

    "(B) 600" names one unless other options stand in the text like that, which then only repeats the question.
    """
    last_line = plain(text.rstrip().rpartition("\n")[2][-200:])
    alone = _ALONE.fullmatch(last_line[-60:]) if len(last_line) <= 60 else None
    if alone:
        return alone["letter"].upper()
    if _RULED_OUT.search(last_line) or _SEVERAL.search(last_line):
        return None
    option = _OPTION_LINE.match(last_line)
    if option and len(set(_OPTION_LINES.findall(text[-4_000:]))) == 1:
        return option["letter"]
    named = _LAST.search(last_line)
    return named["letter"] if named else None


def _clearly_a_letter(text: str, match: re.Match[str]) -> bool:
    """Small letters may be articles or variables: they are options alone, in brackets, or before one ("b) 600")."""
    return re.match(r"[\s\"'*]*$|\s*[).\]](?![A-Za-z])", text[match.end() :]) is not None
