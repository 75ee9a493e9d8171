"""What weights a base model has, as one hash. Imports no torch; big files are read once and remembered."""

import hashlib
from pathlib import Path

from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.gguf.convert import cached_folder
from rlvr_bench.models.gguf.header import read_header
from rlvr_bench.models.packages import PACKAGES, file_of
from rlvr_bench.models.shards import INDEX, shards_of
from rlvr_bench.models.source import hub_folder, source_of
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.cache import cache_dir

REMEMBERED_FROM = 32 * 2**20
"""Bytes; hashing a smaller file takes less time than it is worth remembering."""


def fingerprint(base: BaseConfig, fetch: bool = True) -> str:
    """SHA-256 (64 hex digits) over what a base is read from.

    Of an organism the weights (the rest belongs to the package's code), of a GGUF file, packaged or not, its bytes, of
    a folder or hub id the weights, tokenizer, chat template and configuration.

    Raises ModelError if the base cannot be found or has no safetensors, NotDownloadedError for a hub id that is not
    here and cannot be fetched, or is not to be.
    """
    source = source_of(base)
    if source.kind == "packaged":
        file_of(PACKAGES[base.name])  # the error for a missing file comes now, not in the middle of a run
        return PACKAGES[base.name].sha256
    if source.kind == "file":
        path, digest = gguf_file(base)
        if not cached_folder(digest).is_dir():
            read_header(path)  # what is wrong with a file is said now, not in the middle of a run
        return (
            digest if base.pad_token is None else hashlib.sha256(f"{digest} pad {base.pad_token}".encode()).hexdigest()
        )
    folder = source.folder or hub_folder(base, fetch)
    weights = folder_fingerprint(folder)
    if source.kind == "organism":
        return weights
    read = sorted(path for pattern in ("*.json", "*.jinja", "*.model", "*.txt") for path in folder.glob(pattern))
    parts = [weights, f"pad {base.pad_token}", *(f"{path.name} {file_digest(path)}" for path in read)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def gguf_file(base: BaseConfig) -> tuple[Path, str]:
    """Return the file of a packaged model or of a base that names one, and its SHA-256.

    Raises ModelError if it is not there, or is not the one that the package or the base says.
    """
    package = PACKAGES.get(base.name)
    path = Path(base.name).expanduser() if package is None else file_of(package)
    if not path.is_file():
        raise ModelError(f"There is no file {base.name!r}: give the path of a GGUF file.")
    digest, expected = file_digest(path), base.sha256 if package is None else package.sha256
    if expected not in (None, digest):
        fix = "give the file that it belongs to" if package is None else f"get it again with {package.how_to_get}"
        raise ModelError(f"{path} has SHA-256 {digest}, not {expected}: {fix}.")
    return path, digest


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 of a folder's safetensors file; of the joined hashes, in name order, if there are several.

    Raises ModelError if there is none.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickled = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        reason = "only pickled weights, which could run code" if pickled else "no model weights"
        raise ModelError(
            f"Folder {folder} has {reason}: save the model with save_pretrained, which writes model.safetensors."
        )
    for index in folder.glob(INDEX):
        shards_of(index)  # what it names lies in this folder, so that all of it is hashed
    digests = [file_digest(path) for path in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file; that of a large one is remembered until the file changes.

    Size and time of modification can be put back after a change; the time of the last change of the entry cannot.
    """
    path = path.resolve()
    status = path.stat()
    if status.st_size < REMEMBERED_FROM:
        return _digest(path)
    identity = f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:32]
    remembered = cache_dir() / "fingerprints" / key
    if remembered.is_file() and len(digest := remembered.read_text()) == hashlib.sha256().digest_size * 2:
        return digest
    digest = _digest(path)
    write_whole(remembered, digest)
    return digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
