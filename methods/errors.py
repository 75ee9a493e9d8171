"""The one error type of this package and the words that help a reader out of a misspelt name or a wrong value."""

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


class MethodError(Exception):
    """A method cannot be built, attached or loaded; the message is one sentence: got, expected, the fix."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the closest known name in any case of letters, or "" when nothing is close.

    Of several close names, one with the same letters in another order comes first.
    """
    spelt = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), list(spelt), n=3, cutoff=0.6)
    close.sort(key=lambda each: sorted(each) != sorted(name.lower()))
    return f" (did you mean {spelt[close[0]]!r}?)" if close else ""


def first_problem(owner: str, model: "type[BaseModel]", invalid: "ValidationError") -> str:
    """Return the first problem that pydantic found in the settings of `owner` ("method 'lora'") as one sentence."""
    first = invalid.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    keys = sorted(model.model_fields)
    if first["type"] == "extra_forbidden":
        return f"{owner} has no key {key!r}{did_you_mean(key, keys)}; its keys are {', '.join(keys)}"
    if first["type"] == "missing":
        return f"{owner} needs the key {key!r}: {model.model_fields[key].description}"
    if first["type"] == "value_error":
        return f"{owner}: {first['msg'].removeprefix('Value error, ')}"
    return f"{owner}: {key} = {first['input']!r}, but {first['msg'][0].lower()}{first['msg'][1:]}"
