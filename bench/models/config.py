"""The `[base]` table of an experiment: which model is trained. Imports no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BaseConfig(BaseModel):
    """A base model by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(
        min_length=1, description='an organism, "smollm2", a local folder (with a "/"), or a hub id ("owner/name")'
    )
    revision: str | None = Field(default=None, description="branch, tag or commit of a hub id")
    trust_remote_code: bool = Field(
        default=False, description="let the model's own code run; only for a hub id or folder that you trust"
    )
    pad_token: str | None = Field(
        default=None, description="a token of the vocabulary to pad with, where the tokenizer names none"
    )
    intervention: Literal["rotate-heads", "permute-heads"] | None = Field(
        default=None, description="a change of the attention heads' basis that leaves the function as it is"
    )
    intervention_layers: tuple[int, ...] = Field(default=(), description="the layers that it changes")
    intervention_seed: int = Field(default=0, ge=0, description="what the rotation or permutation is drawn from")

    @model_validator(mode="after")
    def _an_intervention_has_its_layers(self) -> "BaseConfig":
        if bool(self.intervention) != bool(self.intervention_layers):
            raise ValueError("intervention and intervention_layers belong together; give both or neither")
        return self
