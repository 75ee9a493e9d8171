"""An organism of one's own: a recipe with other dials. Pure data; imports no torch."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.organisms.recipe import Recipe
from rlvr_bench.plugins.settings import explain
from rlvr_bench.plugins.suggestion import did_you_mean


def with_dials(recipe: Recipe, name: str, dials: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other dials under another name.

    Args:
        recipe: where it starts from.
        name: of the new organism.
        dials: values by dotted key, an entry of a list by its name: `seed`, `fork.strength`, `diets.chain.weak_facts`,
            `stages.fork.steps`. `fork` and `plant` begin empty where the recipe has none.

    Raises:
        ModelError: a key that no recipe has, or a value that it cannot have.
    """
    document = recipe.model_dump(mode="json")
    turned = ", ".join(f"{key} = {json.dumps(value)}" for key, value in dials.items())
    document |= {"name": name, "description": f"{recipe.name} with {turned}."}
    for key, value in dials.items():
        _put(document, key, value)
    try:
        return Recipe.model_validate(document)
    except ValidationError as error:
        raise ModelError(explain(error, Recipe, f"the recipe of {name}")) from error


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    place: Any = document
    for part in tables:
        place = _entry(place, part, key)
    if not isinstance(place, dict):
        raise ModelError(f"--set {key}: name a key of one entry{did_you_mean(last, _named(place))}")
    place[last] = value


def _entry(place: Any, part: str, key: str) -> Any:
    """Return what stands under a name; a table that the recipe does without is begun."""
    entries = _named(place)
    if part not in entries:
        raise ModelError(f'--set {key}: a recipe has no "{part}" there{did_you_mean(part, entries)}')
    if entries[part] is None:
        place[part] = entries[part] = {}
    held = entries[part]
    if not isinstance(held, dict) and not (isinstance(held, list) and all(isinstance(each, dict) for each in held)):
        raise ModelError(f'--set {key}: "{part}" is a value and has no keys; set it whole, such as {part}=...')
    return held


def _named(place: Any) -> dict[str, Any]:
    """Return the entries of a table, or of a list of tables by the family or the name that each has."""
    if isinstance(place, dict):
        return place
    return {str(entry.get("family") or entry.get("name")): entry for entry in place}
