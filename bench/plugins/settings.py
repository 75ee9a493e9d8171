"""Settings that refuse what they do not know, and the one sentence that says so.

Every typed settings class of the harness derives from `Settings`; `explain` turns pydantic's report on any model into
one line with the place, what was got and the fix.
"""

import math
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from rlvr_bench.plugins.suggestion import did_you_mean

LARGEST_INTEGER = 2**63 - 1
LARGEST_FLOAT = 2.0**127
"""What is computed is computed in float32, in which a larger number is infinite."""
SMALLEST_FLOAT = 2.0**-126
"""What is nearer to 0 is 0 in float32, or has lost most of its digits."""
LONGEST_VALUE = 200
"""Characters of a value that a sentence repeats."""

PLAIN = {bool, int, float, type(None)}
"""What a value is never converted to: true is no number, "yes" no truth, and "3" no 3."""


class Settings(BaseModel):
    """Frozen settings; errors are an unknown key, a flag for a number, and what float32 or 64 bits do not hold."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_converted(cls, value: Any, info: ValidationInfo) -> Any:
        refuse_conversion(value, _leaves(_annotation(cls, str(info.field_name))))
        return value


def refuse_conversion(value: Any, kinds: frozenset[type]) -> None:
    """Raise ValueError where a value, or one in its lists, would become another type of `kinds`."""
    if isinstance(value, list | tuple):
        for item in value:
            refuse_conversion(item, kinds)
    elif isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError("is beyond 64 bits; give a smaller number")
    elif isinstance(value, float) and LARGEST_FLOAT < abs(value) < math.inf:  # infinity has a sentence of its own
        raise ValueError("is infinite in float32; give a smaller number")
    elif isinstance(value, float) and 0 < abs(value) < SMALLEST_FLOAT:
        raise ValueError("is 0 in float32; give 0, or a number further from it")
    elif not kinds <= PLAIN:
        return
    elif isinstance(value, bool) and bool not in kinds:
        raise ValueError("is true or false, not a number; give a number")
    elif isinstance(value, str):
        raise ValueError(f"is a text, not {'a number' if kinds - {bool, type(None)} else 'true or false'}")
    elif kinds <= {bool, type(None)} and not isinstance(value, bool | None):
        raise ValueError("is not true or false; give one of them")


def _annotation(model: type[BaseModel], name: str) -> Any:
    return model.model_fields[name].annotation


@cache
def _leaves(annotation: Any) -> frozenset[type]:
    """Return the types of single values that an annotation allows; of a choice those of its values."""
    if get_origin(annotation) is Literal:
        return frozenset(type(value) for value in get_args(annotation))
    if hasattr(annotation, "__metadata__"):
        return _leaves(annotation.__origin__)
    if arguments := [part for part in get_args(annotation) if part is not Ellipsis]:
        return frozenset().union(*map(_leaves, arguments))
    return frozenset({annotation if isinstance(annotation, type) else object})


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Return the first problem of a validation error of `model` as one sentence that begins with `where`."""
    first = error.errors(include_url=False)[0]
    parts, owner = _followed(model, first["loc"])
    place = ".".join(map(str, parts))
    match first["type"]:
        case "extra_forbidden":
            return f'{where}: unknown key "{place}"{did_you_mean(str(parts[-1]), owner.model_fields)}'
        case "missing":
            field = owner.model_fields.get(str(parts[-1]))
            meaning = f" ({field.description.rstrip('.')})" if field is not None and field.description else ""
            return f'{where}: the key "{place}" is missing; add it{meaning}'
        case "union_tag_invalid":
            types = [tag.strip("'") for tag in first["ctx"]["expected_tags"].split(", ")]
            tag = first["ctx"]["tag"]
            return f'{where}: {place}.type = "{tag}" is unknown{did_you_mean(tag, types)}'
        case "value_error":  # our own words
            message = first["msg"].removeprefix("Value error, ")
        case _:
            message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{where}: {place} = {_short(first['input'])}: {message}" if place else f"{where}: {message}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _followed(model: type[BaseModel], path: tuple[int | str, ...]) -> tuple[list[int | str], type[BaseModel]]:
    """Return the path as the file has it, and the settings class that its last part stands in.

    In pydantic's path a union is followed by the type that was chosen, which is not a key of the file.
    """
    parts: list[int | str] = []
    owner, choices = model, [model]
    for part in path:
        chosen = [kind for kind in choices if len(choices) > 1 and kind.model_fields["type"].default == part]
        if chosen:
            choices = chosen
            continue
        parts.append(part)
        if isinstance(part, str):
            owner = choices[0]
            field = owner.model_fields.get(part)
            choices = (_settings_in(field.annotation) if field else []) or choices
    return parts, owner


def _settings_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the settings classes of an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _settings_in(part)]
