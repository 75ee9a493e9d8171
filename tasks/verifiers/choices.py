"""Options of a multiple-choice question: "B", "(B)", "Option B", "B) 600", "6000, so B."

A letter is an option only where it stands as one: not the article in "a number", not one of "A or B".
"""

import re

from rlvr_bench.tasks.verifiers.spelling import plain

_LETTER = r"[A-Ja-j]"
_WORD = r"(?:(?:the|option|choice|letter|answer|correct|right|is)\s*:?\s+)"
_FIRST = re.compile(
    rf"\W{{0,5}}{_WORD}{{0,5}}\W{{0,3}}(?P<letter>{_LETTER})(?!\)?\s*[-+*/^]\s?[0-9])"
    r"(?=\s*$|\s*[)\].:;,=]|\s+-|\s+(?:is\s+(?:correct|right|the)|because|since|as\b|which\b|\(|\W?[0-9]))",
    re.IGNORECASE,
)
_LAST = re.compile(
    r"(?:\b(?:so|is|option|choice|letter|answer|thus|hence|therefore|choose|select|pick|means)\s*:?,?\s*\(?|\()"
    r"(?P<letter>[A-J])\)?(?:\s+is\s+(?:correct|right|the\s(?:correct\s|right\s)?(?:answer|option|choice)))?[).\s!]*$"
)
_SEVERAL = re.compile(
    rf"\b{_LETTER}\)?\s*(?:,|/|&|,?\s*\b(?:or|and)\b)\s*\(?{_LETTER}\b(?!\s+[a-z]{{2}})", re.IGNORECASE
)
_DENIED = re.compile(r"\W{0,5}(?:not|never|neither|none|anything but)\b", re.IGNORECASE)
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
    return last["letter"] if last and not _SEVERAL.search(text[max(last.start() - 20, 0) :]) else None


def last_line_choice(text: str) -> str | None:
    """The option that is all of the last line; None if the last line is another thing."""
    match = _ALONE.fullmatch(plain(text.rstrip().rpartition("\n")[2][-60:]))
    return match["letter"].upper() if match else None


def _clearly_a_letter(text: str, match: re.Match[str]) -> bool:
    """Small letters may be articles or variables: they are options alone, in brackets, or before one ("b) 600")."""
    return re.match(r"\s*$|\s*[).\]]", text[match.end() :]) is not None
