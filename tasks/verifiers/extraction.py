"""Where in a completion the answer stands: rules, tried in a declared order.

| rule | answer | markers after which nothing else is tried |
|---|---|---|
| whole | the whole completion, if it is a number | |
| hash | the line after the first `####` (GSM8K's form; models that run on write further ones) | yes |
| boxed | the last `\\boxed{...}` | yes |
| phrase | after the last "answer is", "answer:" or "answer =" | |
| last-number | the last number, declared as the fallback that it is | |
"""

import re
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import Literal

from rlvr_bench.tasks.verifiers import numerals

Rule = Literal["whole", "hash", "boxed", "phrase", "last-number"]

FREE_TEXT_ORDER: tuple[Rule, ...] = ("hash", "boxed", "phrase", "last-number")

MAX_CHARACTERS = 50_000
"""Only this many characters at the end of a completion are read."""

_HASH = re.compile(r"####[ \t]*([^\s#][^\n]*)")
_PHRASE = re.compile(r"\banswer\s{0,3}(?:is\b|:|=)", re.IGNORECASE)
_LATEX_BOX = re.compile(r"\\(?:boxed|fbox)\s?\{")


def marked_answer(completion: str, rule: Rule) -> str | None:
    """The text that `rule` finds, not blank; None if it finds none."""
    text = _FINDERS[rule](completion[-MAX_CHARACTERS:])
    return text.strip() or None if text is not None else None


def number_of(text: str, rule: Rule) -> Fraction | None:
    """The number in what `rule` found. Boxes and whole completions have to be nothing but a number."""
    if rule == "last-number":
        return numerals.last_number(text)
    return numerals.parse_number(text) if rule in ("boxed", "whole") else numerals.first_number(text)


def decides(rule: Rule) -> bool:
    """Whether what stands after this rule's marker is the answer, even if it cannot be read."""
    return rule in ("hash", "boxed")


def _whole(completion: str) -> str | None:
    return completion if numerals.parse_number(completion) is not None else None


def _hash(completion: str) -> str | None:
    match = _HASH.search(completion)
    return match[1] if match else None


def _boxed(completion: str) -> str | None:
    start = _last_end(_LATEX_BOX, completion)
    if start is None:
        return None
    depth = 1
    for place in range(start, len(completion)):
        depth += {"{": 1, "}": -1}.get(completion[place], 0)
        if depth == 0:
            return completion[start:place]
    return None


def _phrase(completion: str) -> str | None:
    start = _last_end(_PHRASE, completion)
    return None if start is None else completion[start:].partition("\n")[0].lstrip(" \t:")


def _last_end(pattern: re.Pattern[str], text: str) -> int | None:
    last = deque(pattern.finditer(text), maxlen=1)
    return last[0].end() if last else None


def _last_number(completion: str) -> str | None:
    number = numerals.last_number(completion)
    return None if number is None else numerals.canonical(number)


_FINDERS: dict[Rule, Callable[[str], str | None]] = {
    "whole": _whole,
    "hash": _hash,
    "boxed": _boxed,
    "phrase": _phrase,
    "last-number": _last_number,
}
