"""A row of a data file with the place that it stands in, so that a fault can be pointed at.

Says what the value of a field is, not what it means; which files there are is described in `files`.
"""

import json
import math
from decimal import Decimal
from typing import Any, NamedTuple

from rlvr_bench.tasks.errors import TaskError

MAX_NAMES = 30
"""Fields that a sentence lists."""

_MISSING = object()


class Row(NamedTuple):
    """A record and where it stands: "train.jsonl line 3"."""

    where: str
    fields: dict[str, Any]

    def value(self, key: str) -> Any:
        """The field `key`; "extra.problem" and "choices.0" look inside of fields, also of those that hold JSON text.

        Raises TaskError if it is not there.
        """
        value = self.fields[key] if key in self.fields else _inside(self.fields, key.split("."))
        if value is _MISSING:
            names = [" ".join(str(name).split())[:40] for name in self.fields]
            fields = ", ".join([*names[:MAX_NAMES], *["..."] * (len(names) > MAX_NAMES)]) or "none"
            raise TaskError(f"{self.where} has no field {key!r} (it has {fields}): add it or name another.")
        return value

    def first(self, *keys: str) -> str:
        """The text of the first of several fields that is there; raises TaskError if none is, or if it is no text."""
        return self.text(next((key for key in keys if self.fields.get(key) is not None), keys[0]))

    def text(self, key: str) -> str:
        """The field `key` as text, not blank; numbers as Python writes them. Raises TaskError otherwise."""
        value = self.value(key)
        text = plain_text(value)
        if text is None:
            raise TaskError(f"{self.where}: field {key!r} is {str(value)[:60]!r}, not a text or a number: correct it.")
        return text


def plain_text(value: Any) -> str | None:
    """A text or a finite number as text without white space around it; None for anything else, and for blank text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return None
    text = str(value).strip()
    return text if text and _is_unicode(text) else None


def _is_unicode(text: str) -> bool:
    """False for a text with half of a surrogate pair, which JSON can escape and no file can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _inside(value: Any, path: list[str]) -> Any:
    for key in path:
        if isinstance(value, str):
            value = _opened(value)
        if isinstance(value, dict):
            value = value.get(key, _MISSING)
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _MISSING
    return value


def _opened(text: str) -> Any:
    """What a text that holds JSON holds; the text itself if it holds none."""
    try:
        return json.loads(text) if text.lstrip()[:1] in ("{", "[") else text
    except (ValueError, RecursionError):
        return text
