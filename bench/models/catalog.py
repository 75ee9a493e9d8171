"""What `rlvr-bench models list|show` can tell without loading a model. Imports no torch."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from rlvr_bench.models.config import base_named
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import fingerprint
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.packages import PACKAGES, ModelPackage, file_of
from rlvr_bench.models.source import WEIGHTS, Kind, organism_names, source_of


class ModelEntry(BaseModel):
    """One base model that has a name of its own (folders and hub ids have none)."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: Kind
    description: str
    parameters: int
    folder: Path | None = None
    missing: str | None = None
    """Why it cannot be used as things are, and the fix."""


def catalog() -> list[ModelEntry]:
    """The shipped organisms, then the packaged models."""
    return [*(_organism(name) for name in organism_names()), *map(_packaged, PACKAGES.values())]


def details(name: str) -> dict[str, Any]:
    """One entry of the catalog with its fingerprint; an organism's also with its recipe and its measured scores, a
    packaged model's with its file, licence and where it comes from.

    Raises ModelError for a name that is not in the catalog.
    """
    entries = {entry.name: entry for entry in catalog()}
    if name not in entries:
        source_of(base_named(name))  # has the sentence for an unknown name
        raise ModelError(f"{name!r} is a folder or hub id, of which nothing is known here: choose from {[*entries]}.")
    entry = entries[name]
    shown = entry.model_dump(mode="json", exclude_none=True)
    if entry.kind == "organism":
        card = read_card(WEIGHTS / name).model_dump(mode="json")
        shown |= {"fingerprint": fingerprint(base_named(name)), "recipe": card["recipe"], "scores": card["scores"]}
    else:
        package = PACKAGES[name]
        shown |= {"fingerprint": package.sha256, "file": package.file, "licence": package.licence}
        shown |= {"get_it": package.how_to_get.strip("`")}
    return shown


def _organism(name: str) -> ModelEntry:
    card = read_card(WEIGHTS / name)
    return ModelEntry(
        name=name,
        kind="organism",
        description=card.recipe.description,
        parameters=card.parameters,
        folder=WEIGHTS / name,
    )


def _packaged(package: ModelPackage) -> ModelEntry:
    try:
        file_of(package)
        missing = None
    except ModelError as error:
        missing = str(error)
    return ModelEntry(
        name=package.name,
        kind="packaged",
        description=f"{package.title}, 4-bit weights de-quantised, {package.licence}",
        parameters=package.parameters,
        missing=missing,
    )
