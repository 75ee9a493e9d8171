"""The `[base]` table of an experiment: which model is trained. Imports no torch."""

from pydantic import Field, field_validator

from rlvr_bench.plugins.settings import Settings

LONGEST_NAME = 1024


class BaseConfig(Settings):
    """A base model by name."""

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

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not name.isprintable() or name.startswith(("=", "+", "-", "@")) or len(name) > LONGEST_NAME:
            raise ValueError("is no name of a model or a folder; give one without control characters or a leading sign")
        return name
