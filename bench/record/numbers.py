"""Numbers as records hold them: finite, or null where a quantity is undefined.

JSON has no NaN and no infinity, and 0 is a measurement: what could not be measured is null.
"""

import json
import math
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo

STRICT_JSON = "strict-json"
"""Validation context of values that were parsed from JSON without NaN: they are not searched for it again."""


def finite_or_none(value: Any) -> Any:
    """Return None for NaN and the infinities, everything else as it is; containers are followed."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: finite_or_none(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite_or_none(item) for item in value]
    return value


def strict_json(value: Any, *, indent: int | None = None) -> str:
    """Return JSON with sorted keys and no NaN literal: the same value gives the same bytes."""
    separators = (",", ":") if indent is None else (",", ": ")
    write = partial(
        json.dumps, sort_keys=True, indent=indent, separators=separators, allow_nan=False, ensure_ascii=False
    )
    try:
        return write(value)
    except ValueError:  # a NaN somewhere: seldom, and to look for one takes longer than to write
        return write(finite_or_none(value))


def _finite(value: Any, info: ValidationInfo) -> Any:
    return value if info.context == STRICT_JSON else finite_or_none(value)


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A finite float, or None where it is undefined."""

Share = Annotated[Annotated[float, Field(ge=0, le=1)] | None, BeforeValidator(_finite)]
"""A fraction in [0, 1], or None where it is undefined."""

JsonObject = Annotated[dict[str, Any], BeforeValidator(_finite)]
"""Any JSON object without NaN."""

OptionalJsonObject = Annotated[dict[str, Any] | None, BeforeValidator(_finite)]
"""Any JSON object without NaN, or None."""
