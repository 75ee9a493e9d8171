"""From settings to a method: the built-in types, and those that other packages register.

A plug-in is a `Method` subclass under the entry-point group `rlvr_bench.methods`, its name the value of `type`. It is
loaded only when asked for. Nothing here imports torch.
"""

import inspect
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from methods.errors import MethodError, did_you_mean
from methods.full import Full
from methods.mask import Mask
from methods.method import Method
from methods.peft_method import AnyPeft, Lora, Pissa

GROUP = "rlvr_bench.methods"
BUILT_IN: dict[str, type[Method]] = {"full": Full, "lora": Lora, "pissa": Pissa, "mask": Mask, "peft": AnyPeft}


class FieldDescription(BaseModel):
    """One key of a method: its default (None when it must be given: see `required`) and why it is that."""

    name: str
    required: bool
    default: Any
    description: str


class MethodDescription(BaseModel):
    """What `methods show` prints."""

    type: str
    summary: str
    family: str
    source: str
    formula: str
    learning_rates: tuple[float, float]
    dials: tuple[str, ...]
    fields: list[FieldDescription]


@cache
def _plugins() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def names() -> list[str]:
    """Return the sorted types of all methods, plug-ins included."""
    return sorted(BUILT_IN.keys() | _plugins().keys())


def method_class(name: str) -> type[Method]:
    """Return the config class of type `name`; raises `MethodError` when it is unknown or a plug-in is no method."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    if name not in _plugins():
        raise MethodError(f"unknown method {name!r}{did_you_mean(name, names())}; known are {', '.join(names())}")
    source = _plugins()[name].value
    try:
        loaded = _plugins()[name].load()
    except (ImportError, AttributeError) as failure:
        raise MethodError(f"plug-in method {name!r} ({source}) cannot be imported: {failure}") from failure
    if not (isinstance(loaded, type) and issubclass(loaded, Method)) or inspect.isabstract(loaded):
        raise MethodError(
            f"plug-in method {name!r} ({source}) is {loaded!r}; expected a subclass of Method with attach "
            "and expected_trainable"
        )
    lacking = [key for key in ("family", "source", "formula", "learning_rates") if not hasattr(loaded, key)]
    if lacking:
        raise MethodError(f"plug-in method {name!r} ({source}) lacks {', '.join(lacking)}; add them to the class")
    return loaded


def create(settings: dict[str, Any]) -> Method:
    """Build a method from `settings`, e.g. {"type": "lora", "rank": 8}.

    Raises `MethodError`, one sentence, for an unknown type or key and for a value out of range.
    """
    if "type" not in settings:
        raise MethodError(f"a method needs a type; known are {', '.join(names())}")
    chosen = method_class(str(settings["type"]))
    try:
        return chosen(**settings)
    except ValidationError as invalid:
        raise MethodError(_sentence(str(settings["type"]), chosen, invalid)) from invalid


def _sentence(name: str, chosen: type[Method], invalid: ValidationError) -> str:
    first = invalid.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    keys = sorted(chosen.model_fields)
    if first["type"] == "extra_forbidden":
        return f"method {name!r} has no key {key!r}{did_you_mean(key, keys)}; its keys are {', '.join(keys)}"
    if first["type"] == "missing":
        return f"method {name!r} needs the key {key!r}: {chosen.model_fields[key].description}"
    if first["type"] == "value_error":
        return f"method {name!r}: {first['msg'].removeprefix('Value error, ')}"
    return f"method {name!r}: {key} = {first['input']!r}, but {first['msg'][0].lower()}{first['msg'][1:]}"


def describe(name: str) -> MethodDescription:
    """Return what there is to know of type `name` without a model."""
    chosen = method_class(name)
    return MethodDescription(
        type=name,
        summary=(chosen.__doc__ or "").strip().splitlines()[0],
        family=chosen.family,
        source=chosen.source,
        formula=chosen.formula,
        learning_rates=chosen.learning_rates,
        dials=chosen.dials,
        fields=[_field(chosen, key) for key in chosen.model_fields if key != "type"],
    )


def _field(chosen: type[Method], key: str) -> FieldDescription:
    info = chosen.model_fields[key]
    default = None if info.default is PydanticUndefined else info.default
    return FieldDescription(name=key, required=info.is_required(), default=default, description=info.description or "")
