"""What of a cell's settings is read after its run."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rlvr_bench.methods.registry import with_later_fields

FOLDER_NAME = r"^[^/\\.\x00-\x1f][^/\\\x00-\x1f]{0,199}$"
"""Names that become folders: no separator, no leading dot, no control character, not too long for a file system."""


class CellKeys(BaseModel):
    """The keys of a cell's settings that a record relies on; the cell may have any others."""

    model_config = ConfigDict(frozen=True)

    base: dict[str, Any]
    task: dict[str, Any]
    signal: dict[str, Any]
    reward: dict[str, Any]
    method_name: str = Field(pattern=FOLDER_NAME)
    method: dict[str, Any]
    learning_rate: float | None
    seed: int

    @field_validator("method")
    @classmethod
    def _has_the_fields_of_today(cls, given: dict[str, Any]) -> dict[str, Any]:
        return with_later_fields(given)

    @model_validator(mode="after")
    def _are_named(self) -> "CellKeys":
        for part, key in (("base", "name"), ("task", "name"), ("reward", "name"), ("signal", "type")):
            if not isinstance(getattr(self, part).get(key), str):
                raise ValueError(f"cell.{part}.{key} is missing or not a text")
        return self
