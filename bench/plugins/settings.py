"""Settings that refuse what they do not know, and the one sentence that says so.

Every typed settings class of the harness derives from `Settings`; `explain` turns pydantic's report into one line
with the place, what was got and the fix.
"""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_bench.plugins.suggestion import did_you_mean


class ExperimentError(ValueError):
    """The input is wrong: the message is one sentence with what, where and the fix."""


class Settings(BaseModel):
    """Frozen settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Return the first problem of a validation error as one sentence."""
    first = error.errors(include_url=False)[0]
    parts, fields = _followed(model, first["loc"])
    place = ".".join(map(str, parts))
    if first["type"] == "extra_forbidden":
        return f'{where}: unknown key "{place}"{did_you_mean(str(parts[-1]), fields)}'
    if first["type"] == "missing":
        return f'{where}: the key "{place}" is missing; add it'
    if first["type"] == "union_tag_invalid":
        known = [tag.strip("'") for tag in first["ctx"]["expected_tags"].split(", ")]
        tag = first["ctx"]["tag"]
        return f'{where}: {place}.type = "{tag}"{did_you_mean(tag, known)}; choose from {", ".join(known)}'
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {place} = {first['input']!r}: {message}" if place else f"{where}: {message}"


def _followed(model: type[BaseModel], path: tuple[int | str, ...]) -> tuple[list[int | str], list[str]]:
    """Return the path as the file has it, and the field names of the settings that its last part stands in.

    In pydantic's path a union is followed by the type that was chosen, which is not a key of the file.
    """
    parts: list[int | str] = []
    choices: list[type[BaseModel]] = [model]
    fields = list(model.model_fields)
    for part in path:
        chosen = [kind for kind in choices if len(choices) > 1 and kind.model_fields["type"].default == part]
        if chosen:
            choices = chosen
            continue
        parts.append(part)
        if isinstance(part, str):
            fields = list(choices[0].model_fields)
            field = choices[0].model_fields.get(part)
            choices = (_settings_in(field.annotation) if field else []) or choices
    return parts, fields


def _settings_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the settings classes of an annotation, in order."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in _settings_in(part)]
