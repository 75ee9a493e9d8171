r"""Formulas in sentences: what stands between dollar signs or `\( \)`, and what is written without them."""

import re
from collections import deque

from rlvr_bench.tasks.verifiers.claims import says_otherwise
from rlvr_bench.tasks.verifiers.numerals import canonical, last_number
from rlvr_bench.tasks.verifiers.spelling import plain

_MATH = re.compile(
    r"\$\$(?P<display>.{1,2000}?)\$\$|\\\[(?P<bracket>.{1,2000}?)\\\]|\\\((?P<round>.{1,2000}?)\\\)"
    r"|(?<!\\)\$(?P<dollar>(?:\\\\\s?\n|\\.|[^$\\\n]){1,1000}?)(?<!\\)\$(?![0-9])",
    re.DOTALL,
)
_JOINED = re.compile(r"\s*(?:,|,?\s*and|,?\s*or)\s*")
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z\\(]|\s*$)|\s+(?:because|since|which|where)\b")
_REMARK = re.compile(
    r",?\s+\(?(?:not|rather than|instead of|if|when|for (?:all|any|every|each)|or so)\b|,\s+(?:as|so|but)\b"
)
_INTRODUCTION = re.compile(
    r"\s*(?:(?:that|the|a|an|is|are|equal to|value of|number|about|approximately|simply|just|indeed|now|still|also"
    r"|exactly|given by|found to be|only|thus|then|therefore|hence)\s+)+"
)
_FORMULA = re.compile(r"(?=.*[0-9\\(\[{^=+!-]|[A-Za-z]$|[A-Z]{2,4}$|infinity$|[a-z]{2,4} \S{1,12}$)")
_LONG_WORD = re.compile(r"(?<![\\A-Za-z])(?!(?:sqrt|arcsin|arccos|arctan|infinity|theta)(?![A-Za-z]))[A-Za-z]{4,}")
_WORD_ANSWER = re.compile(r"(?:\\text\s?\{)?\s?(?:noon|midnight|all real numbers)\s?\}?", re.IGNORECASE)
_TEXT = re.compile(r"\\[A-Za-z]+(?:\s?\{[A-Za-z .-]*\})?")


def stated_formula(text: str, words: bool) -> str | None:
    """The answer in the rest of a sentence, as written; None if no formula is stated.

    `words`: if there is no formula, the words themselves are the answer.
    """
    match = _MATH.search(text)
    before = text[: match.start()] if match else ""
    if match and not _LONG_WORD.search(_introduced(before)) and not says_otherwise(before):
        return _with_joined(text, match) + _unit_behind(
            text[match.end() :] if not _JOINED.match(text, match.end()) else ""
        )
    end = _SENTENCE_END.search(text)
    plain_text = _introduced(text[: end.start()] if end else text).strip(" \t,;:*_`$\"'").rstrip(".,;: ")
    if not words and (remark := _REMARK.search(plain_text)) and "," not in plain_text[: remark.start()]:
        plain_text = plain_text[: remark.start()]
    if not plain(plain_text):
        return None
    if words or _WORD_ANSWER.fullmatch(plain_text):
        return plain_text
    prose = _LONG_WORD.search(_TEXT.sub(" ", plain_text))
    return plain_text if prose is None and _FORMULA.match(plain(plain_text)) else None


def last_formula(text: str) -> str | None:
    """The last formula of a text, or its last number if that comes later; None if there is neither."""
    window = text[-8_000:]
    last = deque(_MATH.finditer(window), maxlen=1)
    tail = window[last[0].end() :] if last else window
    number = last_number(tail)
    if number is not None:
        return canonical(number)
    return _content(last[0]) if last and not says_otherwise(window[: last[0].start()]) else None


def _introduced(text: str) -> str:
    introduction = _INTRODUCTION.match(text)
    return text[introduction.end() :] if introduction else text


def _with_joined(text: str, match: re.Match[str]) -> str:
    """A formula with those that a comma, "and" or "or" joins to it: "$1$ and $2$"."""
    parts = [_content(match)]
    place = match.end()
    while (joint := _JOINED.match(text, place)) and (found_next := _MATH.match(text, joint.end())):
        parts.append(_content(found_next))
        place = found_next.end()
    return ", ".join(parts)


def _content(match: re.Match[str]) -> str:
    return next(part for part in match.groups() if part is not None).strip()


def _unit_behind(rest: str) -> str:
    """A multiplier or a percent sign behind the formula: "$3$ million", "$50$%"."""
    unit = re.match(r"\s*(?:\\?%|percent|million|billion|thousand|hundred)", rest)
    return f" {unit[0].strip()}" if unit else ""
