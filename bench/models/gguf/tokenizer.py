"""The tokenizer that a GGUF file describes: vocabulary, special tokens, chat template, and which tokens end a text."""

from typing import Any

from transformers import PreTrainedTokenizerFast
from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_TOKENIZER_MAPPING, convert_gguf_tokenizer

from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.header import GgufHeader

NAMED = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
"""Special token of transformers -> how `tokenizer.ggml.*_token_id` names it."""

STOPS = ("eos", "eot", "eom", "padding")
"""Tokens that end a completion: of the text, of a turn, of a message; padding is never text."""

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")
"""Control tokens that end a turn whatever a file declares, as llama.cpp has it."""

CONTROL = 3


def tokenizer_of(header: GgufHeader) -> PreTrainedTokenizerFast:
    """Return a file's tokenizer. Raises ModelError where it has none, or one of a kind that is not known."""
    tokens = _tokens(header)
    renames = GGUF_TOKENIZER_MAPPING["tokenizer"]
    described = {name: header.metadata[f"tokenizer.{key}"] for key, name in renames.items() if _has(header, key)}
    try:
        backend, _ = convert_gguf_tokenizer(header.architecture, described)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelError(
            f"{header.path} has no tokenizer that can be read ({error}): give the model's folder."
        ) from error
    special = {name: tokens[number] for name, key in NAMED.items() if (number := _id(header, key)) is not None}
    # llama.cpp begins a text of a sentencepiece vocabulary with BOS unless the file says otherwise.
    begins = header.metadata.get("tokenizer.ggml.add_bos_token", described.get("tokenizer_type") == "llama")
    ends = header.metadata.get("tokenizer.ggml.add_eos_token", False)
    flags: dict[str, Any] = {"add_bos_token": True} if begins else {}
    flags |= {"add_eos_token": True} if ends else {}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, **special, **flags)
    tokenizer.chat_template = header.metadata.get("tokenizer.chat_template")
    return tokenizer


def stop_ids(header: GgufHeader) -> list[int]:
    """Return the tokens that end a completion, EOS first."""
    tokens, kinds = _tokens(header), header.metadata.get("tokenizer.ggml.token_type", [])
    declared = [number for key in STOPS if (number := _id(header, key)) is not None]
    named = [number for number, kind in enumerate(kinds) if kind == CONTROL and tokens[number] in TURN_ENDS]
    return list(dict.fromkeys([*declared, *named]))


def _tokens(header: GgufHeader) -> list[str]:
    tokens = header.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, list) or not tokens:
        raise ModelError(f"{header.path} holds no tokenizer: give a file with one, or the model's folder.")
    return tokens


def _has(header: GgufHeader, key: str) -> bool:
    return f"tokenizer.{key}" in header.metadata


def _id(header: GgufHeader, token: str) -> int | None:
    """Return the number of a special token. Raises ModelError for one outside of the vocabulary."""
    number = header.metadata.get(f"tokenizer.ggml.{token}_token_id")
    if number is not None and not 0 <= number < len(_tokens(header)):
        raise ModelError(f"{header.path} has the {token} token {number}, outside of its vocabulary: fetch it again.")
    return number
