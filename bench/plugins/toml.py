"""TOML as experiments, claims and command lines hold it: nested a few levels, with numbers that fit 64 bits."""

import tomllib
from typing import Any

DEEPEST = 32
"""Levels of tables and lists; what is deeper breaks code that goes through it level by level."""


def parsed_toml(text: str) -> dict[str, Any]:
    """Return a TOML document; raises ValueError, which says what is wrong, for one that is none or nested too deep."""
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested more than {DEEPEST} levels deep") from error
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [item for each in level for item in _items(each)]
    if level:
        raise ValueError(f"nested more than {DEEPEST} levels deep")
    return document


def _items(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
