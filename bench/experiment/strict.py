"""Settings that refuse what they do not know, and the one sentence that says so.

Every typed settings class of the harness derives from `Settings`; `explain` turns pydantic's report into one line
with the place, what was got and the fix.
"""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from bench.models.suggestion import did_you_mean


class ExperimentError(ValueError):
    """The input is wrong: the message is one sentence with what, where and the fix."""


class Settings(BaseModel):
    """Frozen settings; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def explain(error: ValidationError, model: type[BaseModel], where: str) -> str:
    """Return the first problem of a validation error as one sentence."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        fields = _fields_at(model, first["loc"][:-1])
        return f'{where}: unknown key "{place}"{did_you_mean(str(first["loc"][-1]), fields)}'
    if first["type"] == "missing":
        return f'{where}: the key "{place}" is missing; add it'
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {place} = {first['input']!r}: {message}" if place else f"{where}: {message}"


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Return the field names of the settings class that `path` leads to, as far as it can be followed."""
    current: Any = model
    for part in path:
        field = current.model_fields.get(part) if isinstance(part, str) else None
        if field is None:
            break
        nested = [kind for kind in (field.annotation, *get_args(field.annotation)) if _is_settings(kind)]
        if nested:
            current = nested[0]
    return list(current.model_fields)


def _is_settings(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
