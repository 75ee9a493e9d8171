"""Loading a base model for training and evaluation: float32, eval mode, with a tokenizer that can pad.

Pickled weights are refused, and code that comes with a model does not run unless the config says so.
"""

import json
from pathlib import Path
from typing import NamedTuple

from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.console.progress import Report
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.fingerprint import fingerprint, folder_fingerprint, gguf_file
from rlvr_bench.models.gguf.convert import converted_folder
from rlvr_bench.models.loading import load_causal_lm
from rlvr_bench.models.source import hub_folder, source_of

__all__ = ["LoadedBase", "fingerprint", "folder_of", "load", "load_tokenizer"]


SETTINGS = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
"""What transformers reads of a folder beside its weights."""


class LoadedBase(NamedTuple):
    """A base model in memory, the folder that it was read from, and the fingerprint of its weights."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    folder: Path
    fingerprint: str


def _silent(message: str, done: float) -> None:
    """The progress of somebody who does not want to see any."""


def folder_of(base: BaseConfig, progress: Report = _silent) -> Path:
    """The local folder of a base: a hub id is fetched, a GGUF file converted, if that has not been done."""
    source = source_of(base)
    if source.kind in ("packaged", "file"):
        return converted_folder(*gguf_file(base), progress)
    return source.folder or hub_folder(base)


def load(base: BaseConfig, progress: Report = _silent) -> LoadedBase:
    """Load a base in float32 and eval mode. Raises ModelError if it cannot be found, read or padded."""
    folder = folder_of(base, progress)
    folder_fingerprint(folder)  # says what is wrong with a folder without safetensors, better than transformers does
    tokenizer = load_tokenizer(base, folder)
    try:
        model = load_causal_lm(folder, trust_remote_code=base.trust_remote_code)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"Base model {base.name!r} cannot be read from {folder}: {_first_line(error)}") from error
    broken = next((name for name, value in model.named_parameters() if not value.isfinite().all()), None)
    if broken is not None:
        raise ModelError(f"Base model {base.name!r}: {broken} is not finite in float32, in which models are scored.")
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    return LoadedBase(model.eval(), tokenizer, folder, fingerprint(base))


def load_tokenizer(base: BaseConfig, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer in `folder`, padding left. Raises ModelError if it has no pad token and the config names none."""
    _refuse_misshapen(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=base.trust_remote_code)
    except (OSError, ValueError, RecursionError) as error:
        message = f"The tokenizer of {base.name!r} cannot be read from {folder}: {_first_line(error)}"
        raise ModelError(message) from error
    if base.pad_token is not None:
        if base.pad_token not in tokenizer.get_vocab():
            raise ModelError(
                f"pad_token {base.pad_token!r} is not in the vocabulary of {base.name!r}: choose one that is."
            )
        tokenizer.pad_token = base.pad_token
    if tokenizer.pad_token is None:
        example = json.dumps(tokenizer.eos_token or "a token of its vocabulary")
        raise ModelError(
            f"The tokenizer of {base.name!r} has no pad token: name one in the experiment,"
            f" bases = [{{ name = {json.dumps(base.name)}, pad_token = {example} }}]."
        )
    tokenizer.padding_side = "left"
    return tokenizer


def _refuse_misshapen(folder: Path) -> None:
    """Raise ModelError for a file of settings that is no JSON object: on such, libraries fail in ways of their own."""
    for path in filter(Path.is_file, (folder / name for name in SETTINGS)):
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(f"{path} cannot be read as JSON ({_first_line(error)}): save the model again.") from error
        if not isinstance(document, dict):
            raise ModelError(f"{path} holds a JSON {type(document).__name__}, not an object: save the model again.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
