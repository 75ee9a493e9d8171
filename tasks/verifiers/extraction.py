r"""Where in a completion the answer stands: rules, tried in a declared order.

| rule | answer | markers that decide, even where what follows cannot be read |
|---|---|---|
| whole | the whole completion, if it is a number | |
| hash | the line after the first `####` that is no heading (GSM8K's form; models that run on write more) | yes |
| boxed | the last `\boxed{...}`; boxes with a comma, "and" or "or" between them are one list | yes |
| phrase | after the last "answer is", "answer:", "correct option is" | if what follows has a digit in it |
| last-number | the last number, declared as the fallback that it is; for options a last line that is a letter | |

The marker that the prompt asks for comes first. What a model thinks (`<think>...</think>`) answers nothing.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from rlvr_bench.tasks.verifiers import numerals
from rlvr_bench.tasks.verifiers.spelling import unbraced

Rule = Literal["whole", "hash", "boxed", "phrase", "last-number"]
Marker = Literal["required", "any"]

FREE_TEXT_ORDER: tuple[Rule, ...] = ("hash", "boxed", "phrase", "last-number")

MAX_CHARACTERS = 50_000
"""Where there is no marker, only this many characters at the end of a completion are read."""

MAX_MARKED = 4_000
"""Characters of a marked answer that are read."""

_THOUGHT = r"(?:[a-z]+:)?(?:think|thinking|thoughts?|reasoning|scratchpad|analysis|reflection)"
_THOUGHT_ENDS = re.compile(
    rf"</{_THOUGHT}\s?>|\[/THINK\]|\[END[ _]THINKING\]|\u25c1/think\u25b7|<\|end_of_thought\|>|<\|END_THINKING\|>"
    r"|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
_THOUGHT_BEGINS = re.compile(
    rf"<{_THOUGHT}\s?>|\[THINK\]|\[BEGIN[ _]THINKING\]|\u25c1think\u25b7|<\|begin_of_thought\|>|<\|START_THINKING\|>"
    r"|<\|channel\|>analysis<\|message\|>",
    re.IGNORECASE,
)

_HASH = re.compile(r"####[ \t]*([^\s#](?:(?!####)[^\n])*)")
_PHRASE = re.compile(
    r"\b(?:answers?|(?:correct|right|best) (?:option|choice))[*_]{0,2}\s{0,3}(?:is\b|are\b|:|=>?)", re.IGNORECASE
)
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s{0,3}(?:(\{)|(-?[0-9]{1,100}(?:\.[0-9]{1,100})?|[A-Za-z]))")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
_BETWEEN_BOXES = re.compile(r"[\s$]*(?:\\[()\]\[]|\\(?:quad|text\s?\{)|[},;&\s$]|and|or|[A-Za-z]\s?=)*[\s$]*")

_ENUMERATED = re.compile(
    r"(?:step|part|case|problem|question|section|stage|phase|method|approach|example|exercise|solution|option|q)"
    r"\s*#?[0-9ivx]{1,4}\b(?!\s*$)|[0-9]{1,2}[.):]\s+[A-Z*]",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:step|part|case|section|stage|phase|method|approach)\s*#?[0-9ivx]{1,4}\W*", re.IGNORECASE)
_TITLE = re.compile(
    r"[*_ ]{0,4}(?!.*[=:])(?!.*\b(?:answer|option|choice|is|are|has|have)\b)[A-Z][a-z]+\s+\S", re.IGNORECASE
)
_MARKED = re.compile(r"^####[ \t]*[^A-Za-z\s]|\\boxed", re.MULTILINE)
_LABEL = re.compile(
    r"[\s*_]*(?:(?:the|my|our|so|thus|final|correct|right)\s+){0,3}answer[*_]*\s*(?:is\b|:|=)[\s*_]*", re.IGNORECASE
)
_LAST_TOKENS = re.compile(r"\s*\S+\s+\S*\Z|\s*\S+\Z")


class Stated(NamedTuple):
    """The text that a rule finds; `open`: it runs up to the end of the completion, so that a cut may have cut it."""

    text: str
    open: bool = False

    def settled(self) -> str:
        """What of it a cut cannot have touched: all but the last token, and the one before, which it may belong to."""
        return _LAST_TOKENS.sub("", self.text) if self.open else self.text


def spoken(completion: str) -> str:
    """`completion` without what the model thinks before it answers; a thought that does not end hides the rest."""
    if "<" not in completion and "[" not in completion and "◁" not in completion:
        return completion
    end = _last_end(_THOUGHT_ENDS, completion)
    text = completion if end is None else completion[end:]
    begin = _THOUGHT_BEGINS.search(text)
    return text if begin is None else text[: begin.start()]


def stated_answers(text: str, rule: Rule) -> Iterator[Stated]:
    """What `rule` finds in a text without thoughts, not blank, best first; only `hash` finds more than one."""
    for mark in _FINDERS[rule](text):
        answer = mark.text.strip() if len(mark.text) <= MAX_MARKED else unbraced(mark.text)
        if answer:
            yield Stated(answer[:MAX_MARKED], mark.open)


def marked_answer(completion: str, rule: Rule, truncated: bool = False) -> str | None:
    """The text that `rule` finds in a completion, not blank; None if it finds none.

    `truncated`: the completion was cut off, so that only what the cut cannot have touched counts.
    """
    stated = next(stated_answers(spoken(completion), rule), None)
    if stated is None:
        return None
    return (stated.settled() or None) if truncated else stated.text


def unfinished_box(text: str) -> bool:
    """Whether the last box is not closed."""
    last = deque(_BOX.finditer(text), maxlen=1)
    return bool(last) and last[0][1] is not None and _closing(text, last[0].end()) is None


def decides(rule: Rule) -> bool:
    """Whether what stands after this rule's marker is the answer, even if it cannot be read."""
    return rule in ("hash", "boxed")


def asked_order(order: tuple[Rule, ...], instruction: str) -> tuple[Rule, ...]:
    """`order` with the marker first that `instruction` asks for; unchanged where it asks for none, or for both."""
    box, hashes = "\\boxed" in instruction, "####" in instruction
    if box == hashes:
        return order
    first: Rule = "boxed" if box else "hash"
    return (first, *(rule for rule in order if rule != first)) if first in order else order


def marker_order(order: tuple[Rule, ...], marker: Marker) -> tuple[Rule, ...]:
    """`required`: only the form that comes first in `order`; `any`: that form, then every other one."""
    return order[:1] if marker == "required" else (*order, *(rule for rule in FREE_TEXT_ORDER if rule not in order))


def _whole(text: str) -> Iterator[Stated]:
    if len(text) <= MAX_MARKED and numerals.parse_number(text) is not None:
        yield Stated(text, open=True)


def _hash(text: str) -> Iterator[Stated]:
    marked = deque(_MARKED.finditer(text), maxlen=1) if "####" in text else None
    last = marked[0].start() if marked else 0
    for match in _HASH.finditer(text):
        line = match[1]
        starts_line = match.start() == 0 or text[match.start() - 1] == "\n"
        if starts_line and _is_heading(line, bool(text[match.end() : match.end() + 200].strip()), match.end() < last):
            continue
        label = _LABEL.match(line)
        yield Stated(line[label.end() :] if label else line, open=match.end() == len(text))


def _is_heading(line: str, goes_on: bool, marked_below: bool) -> bool:
    """Markdown has `####` too: "Step 1: Set up", "2. Solve", "Solution:" with text below them.

    So is "Day 1" if a plainer answer stands below: a box, or a `####` with a number behind it.
    """
    if _ENUMERATED.match(line.lstrip("*_ ")) or (marked_below and _TITLE.match(line)):
        return True
    return goes_on and (line.rstrip("* \t").endswith(":") or _NUMBERED.fullmatch(line.lstrip("*_ ")) is not None)


def _boxed(text: str) -> Iterator[Stated]:
    boxes = list(deque(_BOX.finditer(text), maxlen=8))
    if not boxes:
        return
    inside: list[str] = []
    begin = None
    for box in reversed(boxes):
        end = box.end() if box[2] else _closing(text, box.end())
        if end is None:
            break
        content = box[2] or text[box.end() : end - 1]
        if begin is not None and end > begin:  # a box around the others
            inside = []
        elif begin is not None and not _BETWEEN_BOXES.fullmatch(text[end:begin][:40]):
            break
        if content.strip() and content not in inside:
            inside.insert(0, content)
        begin = box.start()
    if inside:
        yield Stated(", ".join(inside))


def _closing(text: str, start: int) -> int | None:
    """Where the brace is closed that was opened before `start`; escaped braces are text."""
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.end()
    return None


def _phrase(text: str) -> Iterator[Stated]:
    start = _last_end(_PHRASE, text)
    if start is None:
        return
    rest = text[start:].lstrip(" \t:*_}")  # a brace closes \text{The answer is }
    if rest.startswith("\n"):  # a label on a line of its own
        rest = rest.lstrip(" \t:*_\n")
    line, newline, below = rest.partition("\n")
    if line.strip() in ("$$", "\\[", "\\(", "$"):  # a displayed formula
        line, newline, below = rest[len(line) :].lstrip().partition("\n")
    if line.count("\\begin") > line.count("\\end"):  # a matrix, a row a line
        rows, end, rest = below.partition("\\end")
        last, newline, _ = rest.partition("\n")
        line = f"{line}\n{rows}{end}{last}"
    yield Stated(line, open=not newline)


def _last_end(pattern: re.Pattern[str], text: str) -> int | None:
    last = deque(pattern.finditer(text), maxlen=1)
    return last[0].end() if last else None


def _last_number(text: str) -> Iterator[Stated]:
    number = numerals.last_number(text[-MAX_CHARACTERS:])
    if number is not None:
        yield Stated(numerals.canonical(number), open=True)


_FINDERS: dict[Rule, Callable[[str], Iterator[Stated]]] = {
    "whole": _whole,
    "hash": _hash,
    "boxed": _boxed,
    "phrase": _phrase,
    "last-number": _last_number,
}
