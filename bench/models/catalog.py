"""What `rlvr-bench models list|show` can tell without loading a model. Imports no torch."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import fingerprint
from rlvr_bench.models.organisms.card import read_card
from rlvr_bench.models.smollm2 import PACKAGE, PARAMETERS, SMOLLM2, gguf_path
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
    return [*(_organism(name) for name in organism_names()), _smollm2()]


def details(name: str) -> dict[str, Any]:
    """One entry of the catalog; an organism's also with its weights' fingerprint, its recipe and its measured scores.

    Raises ModelError for a name that is not in the catalog.
    """
    entries = {entry.name: entry for entry in catalog()}
    if name not in entries:
        source_of(BaseConfig(name=name))  # has the sentence for an unknown name
        raise ModelError(f"{name!r} is a folder or hub id, of which nothing is known here: choose from {[*entries]}.")
    entry = entries[name]
    shown = entry.model_dump(mode="json", exclude_none=True)
    if entry.kind == "organism":
        card = read_card(WEIGHTS / name).model_dump(mode="json")
        shown |= {"fingerprint": fingerprint(BaseConfig(name=name)), "recipe": card["recipe"], "scores": card["scores"]}
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


def _smollm2() -> ModelEntry:
    try:
        gguf_path()
        missing = None
    except ModelError as error:
        missing = str(error)
    return ModelEntry(
        name=SMOLLM2,
        kind="packaged",
        description=f"SmolLM2-135M-Instruct, 4-bit weights de-quantised, from the package {PACKAGE}",
        parameters=PARAMETERS,
        missing=missing,
    )
