"""The `[base]` table of an experiment: which model is trained. Imports no torch."""

import re
from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator

from rlvr_bench.models.errors import ModelError
from rlvr_bench.plugins.settings import Settings, explain

LONGEST_NAME = 1024
GGUF_SUFFIX = ".gguf"
SHA256_DIGITS = r"[0-9a-f]{64}"


class BaseConfig(Settings):
    """A base model by name."""

    name: str = Field(
        min_length=1,
        description="an organism, a model package, a local folder (with a "
        '"/"), a GGUF file (ends in ".gguf", `file` means the same), or a hub id ("owner/name")',
    )
    sha256: str | None = Field(default=None, description="of a GGUF file: the SHA-256 that it must have")
    revision: str | None = Field(default=None, description="branch, tag or commit of a hub id")
    trust_remote_code: bool = Field(
        default=False, description="let the model's own code run; only for a hub id or folder that you trust"
    )
    pad_token: str | None = Field(
        default=None, description="a token of the vocabulary to pad with, where the tokenizer names none"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_file_is_its_name(cls, document: Any) -> Any:
        """Read `file` as the name of a GGUF file."""
        if not isinstance(document, dict) or "file" not in document:
            return document
        file = document["file"]
        if "name" in document:
            raise ValueError("has both a name and a file; keep one of them")
        if not isinstance(file, str) or not file.lower().endswith(GGUF_SUFFIX):
            raise ValueError(f"file = {file!r} is no path that ends in {GGUF_SUFFIX}; give one, or a name")
        return {key: value for key, value in document.items() if key != "file"} | {"name": file}

    @model_validator(mode="after")
    def _only_a_file_has_a_hash(self) -> "BaseConfig":
        if self.sha256 is not None and not self.is_gguf:
            raise ValueError(f"sha256 is for GGUF files, which {self.name!r} is not; leave it out")
        return self

    @property
    def is_gguf(self) -> bool:
        """Whether the name is that of a GGUF file."""
        return self.name.lower().endswith(GGUF_SUFFIX)

    @field_validator("sha256")
    @classmethod
    def _is_a_hash(cls, sha256: str | None) -> str | None:
        if sha256 is not None and not re.fullmatch(SHA256_DIGITS, sha256.lower()):
            raise ValueError("is no SHA-256; give its 64 hexadecimal digits")
        return None if sha256 is None else sha256.lower()

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not name.isprintable() or name.startswith(("=", "+", "-", "@")) or len(name) > LONGEST_NAME:
            raise ValueError("is no name of a model or a folder; give one without control characters or a leading sign")
        return name


def base_named(name: str) -> BaseConfig:
    """Return the base that a command names; raises `ModelError` for what can be no name."""
    try:
        return BaseConfig(name=name)
    except ValidationError as error:
        raise ModelError(explain(error, BaseConfig, "base")) from error
