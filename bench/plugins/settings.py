"""Settings that refuse what they do not know, and the one sentence that says so.

Every typed settings class of the harness derives from `Settings`; `explain` turns pydantic's report on any model into
one line with the place, what was got and the fix.
"""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from rlvr_bench.plugins.suggestion import did_you_mean


class Settings(BaseModel):
    """Frozen settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


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
            known = [tag.strip("'") for tag in first["ctx"]["expected_tags"].split(", ")]
            tag = first["ctx"]["tag"]
            return f'{where}: {place}.type = "{tag}" is unknown{did_you_mean(tag, known)}'
        case "value_error":  # our own words
            message = first["msg"].removeprefix("Value error, ")
        case _:
            message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{where}: {place} = {first['input']!r}: {message}" if place else f"{where}: {message}"


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
