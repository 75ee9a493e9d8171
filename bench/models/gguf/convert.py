"""A GGUF file becomes a folder of safetensors in the cache: once, whole or not at all, by one process at a time.

The weights are the de-quantised values, so scores are those of the quantised model.
"""

import shutil
from math import prod
from pathlib import Path

from rlvr_bench.console.progress import Report
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.header import GgufHeader, read_header
from rlvr_bench.record.atomic import put_folder
from rlvr_bench.record.cache import cache_dir, locked
from rlvr_bench.record.leftovers import sweep, temporary_folder_beside

FLOAT32_BYTES = 4
SPARE_BYTES = 32 * 2**20
"""For tokenizer and configuration."""

_CODE_VERSION = 1
"""Raised when a change of the conversion changes what it writes."""


def converted_folder(file: Path, sha256: str, progress: Report) -> Path:
    """Return the folder of a file's model, converted now if it is not in the cache; a second process waits.

    Args:
        file: of the model.
        sha256: of its bytes.
        progress: is called while it is converted.

    Raises:
        ModelError: the file cannot be read, is of a model or a type that is not known, or the disk is full.
        RecordError: the cache cannot be written.
    """
    folder = cached_folder(sha256)
    if not folder.is_dir():
        with locked(folder.with_suffix(".lock")):
            if not folder.is_dir():  # another process may have been faster
                sweep(folder.parent)
                header = read_header(file)
                _check_space(folder.parent, header)
                _convert(header, folder, progress)
    return folder


def cached_folder(sha256: str) -> Path:
    """Return where the model of a file of this hash is kept; it is there, whole, or not at all."""
    return cache_dir() / "gguf" / f"{sha256[:16]}-{_CODE_VERSION}"


def _check_space(folder: Path, header: GgufHeader) -> None:
    needed = FLOAT32_BYTES * sum(prod(tensor.shape) for tensor in header.tensors.values()) + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise ModelError(
            f"The cache {folder} has {free // 2**20} MiB free and {header.path.name} needs {needed // 2**20}: free"
            " space, or set RLVR_BENCH_CACHE to a folder on another disk."
        )


def _convert(header: GgufHeader, folder: Path, progress: Report) -> None:
    """Write tokenizer, configuration and float32 safetensors beside `folder`, then rename: whole or not at all."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, GenerationConfig

    from rlvr_bench.models.gguf.architecture import model_config
    from rlvr_bench.models.gguf.tokenizer import stop_ids, tokenizer_of
    from rlvr_bench.models.gguf.weights import parameters, untied_head

    config = model_config(header)
    stops = stop_ids(header)
    with temporary_folder_beside(folder) as partial:
        progress("reading the tokenizer", 0.0)
        tokenizer_of(header).save_pretrained(partial)
        progress("comparing embedding and output matrix", 0.1)
        left_out = untied_head(header)
        config.tie_word_embeddings |= left_out is not None
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
        config.architectures, config.dtype = [type(model).__name__], torch.float32
        tensors = dict(
            parameters(header, config, model, left_out, lambda share: progress("reading weights", 0.1 + 0.7 * share))
        )
        progress("writing safetensors", 0.8)
        save_file(tensors, partial / "model.safetensors", metadata={"format": "pt"})
        config.save_pretrained(partial)
        ends = stops if len(stops) > 1 else config.eos_token_id
        GenerationConfig(
            bos_token_id=config.bos_token_id, eos_token_id=ends, pad_token_id=config.pad_token_id
        ).save_pretrained(partial)
        put_folder(partial, folder)
    progress(f"{header.path.name} is ready in {folder}", 1.0)
