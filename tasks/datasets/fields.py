"""What a question and an answer are in files of one's own: texts, several fields, chat messages, lists, solutions."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr_bench.tasks.datasets.final_answer import final_answer
from rlvr_bench.tasks.datasets.rows import Row, plain_text
from rlvr_bench.tasks.errors import NoAnswerError, TaskError

_USER = frozenset({"user", "human"})
_ASSISTANT = frozenset({"assistant", "gpt", "model"})

_LABELS = ("label", "key", "letter", "aoVal", "id", "option")
_TEXTS = ("text", "content", "value", "answer", "body")
"""What the letter and the text of an option are called."""

MAX_WORDS = 12
"""More words than these are no answer that a completion could repeat."""

_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_SENTENCE_END = re.compile(r"(?:[a-z0-9]{2}|\s[0-9])[.!?]\s+[A-Z]")


def question_of(row: Row, keys: Sequence[str]) -> str:
    """The text of one field, or of several a line each, of which blank ones are left out; lists (options) are lines.

    Options that are objects get their letters: {"A": "5"}, {"label": ["A"], "text": ["5"]}, [{"key": "A", "text": 5}].
    Of chat messages it is what the user said last. Raises TaskError if a field is missing, or all are blank.
    """
    values = [(key, row.value(key)) for key in keys]
    if len(keys) > 1:
        values = [(key, value) for key, value in values if value not in (None, "")] or values
    return "\n".join(_spoken(row, key, value, _USER) for key, value in values)


def answer_of(row: Row, key: str) -> str:
    """The answer of a field: a text or number; the last line's "#### N" or the last box of a worked solution.

    A list is one answer in several parts: ["1", "2"] is "1, 2", also as JSON text. Of chat messages it is what the
    assistant said last. Raises NoAnswerError for a blank field, and for a worked solution that marks no answer.
    """
    value = _opened(row.value(key))
    if value is None or (isinstance(value, str) and not value.strip()):
        raise NoAnswerError(f"{row.where}: field {key!r} is {value!r}: fill in an answer, or leave the row out.")
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, list) and not _messages(value):
        parts = [plain_text(item) for item in value]
        if not parts or None in parts:
            raise TaskError(f"{row.where}: field {key!r} is {str(value)[:60]!r}, not a list of answers: correct it.")
        return ", ".join(final_answer(part) for part in parts if part is not None)
    answer = final_answer(_spoken(row, key, value, _ASSISTANT))
    words = len(_WORD.findall(answer))
    if words > MAX_WORDS or (words > 3 and _SENTENCE_END.search(answer)):
        raise NoAnswerError(
            f"{row.where}: field {key!r} is prose without an answer at its end (...{answer[-40:]!r}): end it with"
            ' "#### N", a \\boxed{} or "The answer is N", or name another field.'
        )
    return answer


def _opened(value: Any) -> Any:
    """The list that a text such as '["22"]' holds; everything else, "[1, 2]" too, which is an interval, as it is."""
    if not (isinstance(value, str) and value.lstrip().startswith('["')):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def completions_of(row: Row, key: str) -> list[str]:
    """The completions in a field, as they are and blank ones too: a text, a list of texts, lists in a list (lm-eval).

    Of chat messages it is what the assistant said last. Raises TaskError for a field that is missing or holds no text.
    """
    value = row.value(key)
    if isinstance(value, list) and _messages(value):
        return [_spoken(row, key, value, _ASSISTANT)]
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise TaskError(f"{row.where}: field {key!r} is {str(value)[:60]!r}, not a completion: correct it.")
    return list(texts)


def _spoken(row: Row, key: str, value: Any, speakers: frozenset[str]) -> str:
    if not _messages(value):
        lines = _options(value) or ([plain_text(item) for item in value] if isinstance(value, list) else [])
        return "\n".join(line for line in lines if line) if lines and None not in lines else row.text(key)
    spoken = [message for message in value if str(message.get("role", message.get("from"))).lower() in speakers]
    text = _content(spoken[-1]) if spoken else None
    if text is None:
        roles = " or ".join(sorted(speakers))
        raise TaskError(f"{row.where}: the messages in {key!r} hold no text of {roles}: correct or delete it.")
    return text


def _options(value: Any) -> list[str | None]:
    """A line for each option of a question, "A) 5"; empty if a value is none of the shapes that options come in."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        labels, texts = value.get("label", value.get("labels")), value.get("text", value.get("texts"))
        if isinstance(labels, list) and isinstance(texts, list) and len(labels) == len(texts):
            pairs = list(zip(labels, texts, strict=True))
        elif value and all(re.fullmatch(r"[A-J]", str(letter)) for letter in value):
            pairs = [(letter, text) for letter, text in value.items() if text is not None]
    elif isinstance(value, list):
        items = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in value]
        if items and all(isinstance(item, Mapping) for item in items):
            pairs = [(_first_of(item, _LABELS), _first_of(item, _TEXTS)) for item in items]
    lines = [(plain_text(label), plain_text(text)) for label, text in pairs]
    return [f"{label.rstrip(').')}) {text}" for label, text in lines if label and text] if all(map(all, lines)) else []


def _first_of(item: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((item[name] for name in names if name in item), None)


def _messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, Mapping) and ("role" in item or "from" in item) for item in value)
    )


def _content(message: Mapping[str, Any]) -> str | None:
    """The text of a message, whose content may be in parts; None where a part is no text, such as an image."""
    content = message.get("content", message.get("value"))
    if isinstance(content, list):
        parts = [plain_text(part.get("text")) if isinstance(part, Mapping) else None for part in content]
        return None if None in parts else "\n".join(part for part in parts if part is not None) or None
    return plain_text(content)
