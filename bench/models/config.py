"""The `[base]` table of an experiment: which model is trained. Imports no torch."""

from pydantic import BaseModel, ConfigDict, Field


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
