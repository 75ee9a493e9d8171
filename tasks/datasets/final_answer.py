"""The final answer of a worked solution: after `####` in its last line (GSM8K's form), in its last box (MATH's), or
after "the answer is" at its end (MetaMathQA's).

This is for gold solutions, which state their answer once and in the end; completions are read by `verifiers`.
"""

import re
from typing import NamedTuple

_BOX = re.compile(r"\\(?:boxed|fbox)(?![A-Za-z])\s*")
_STATED = re.compile(r"\banswer\s*(?:is\s*:?|:|=)\s*(?P<answer>(?:(?!\banswer\b)[^\n!?]){1,80}?)\.?$", re.IGNORECASE)
_BETWEEN = re.compile(r"[\s$,;&\\]{0,20}(?:and|\\text\s?\{\s?and\s?\}|q?quad)?[\s$,;&\\]{0,20}")


class Box(NamedTuple):
    """What a box holds, and where the whole of it starts and ends in the text."""

    content: str
    start: int
    end: int


def final_answer(text: str) -> str:
    """The answer that `text` ends with; the text itself where it has no such mark.

    Boxes that only a comma or "and" parts are one answer: "\\boxed{3} and \\boxed{5}" gives "3, 5".
    Of boxes with "or" between them the last counts, as in MATH: they are spellings of one answer.
    """
    last_line = text.rstrip().rpartition("\n")[2]
    if "####" in last_line:
        text = last_line.rpartition("####")[2].strip() or text
    all_boxes = boxes(text)
    if not all_boxes:
        stated = _STATED.search(text.strip())
        return stated["answer"].strip() if stated and ". " not in stated["answer"] else text.strip()
    last = [all_boxes[-1]]
    for box in reversed(all_boxes[:-1]):
        if not _BETWEEN.fullmatch(text, box.end, last[0].start):
            break
        last.insert(0, box)
    return ", ".join(box.content for box in last)


def without_marks(text: str) -> str:
    """A worked solution whose boxes are opened: "so $\\boxed{7}$." becomes "so $7$."."""
    for box in reversed(boxes(text)):
        text = text[: box.start] + box.content + text[box.end :]
    return text.strip()


def boxes(text: str) -> list[Box]:
    """The boxes of `text` that hold something, in order; "\\boxed 7" is one too, an unclosed one is not."""
    boxes_in_order: list[Box] = []
    for match in _BOX.finditer(text):
        start = match.end()
        end = _closing(text, start) if text[start : start + 1] == "{" else _word_end(text, start)
        content = text[start:end].removeprefix("{").strip() if end is not None else ""
        if end is not None and content and not (boxes_in_order and match.start() < boxes_in_order[-1].end):
            boxes_in_order.append(Box(content, match.start(), end + (text[end : end + 1] == "}")))
    return boxes_in_order


def _closing(text: str, opening: int) -> int | None:
    """Where the brace that opens at `opening` is closed; escaped braces do not count."""
    depth = 0
    for match in re.finditer(r"\\.|[{}]", text[opening:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[0] == "}":
            return opening + match.start()
    return None


def _word_end(text: str, start: int) -> int | None:
    match = re.compile(r"[^\s${}]+").match(text, start)
    return match.end() if match else None
