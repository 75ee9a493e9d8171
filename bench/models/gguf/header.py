"""The header of a GGUF file: its metadata, and where its tensors lie, checked against the size of the file. No torch.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A file may come from anywhere: every length and count
is checked before anything of that size is made. Strings are read one by one from the mapped file, which takes tenths of
a second for a vocabulary of 150,000.
"""

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rlvr_bench.models.errors import ModelError

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType

MAGIC = b"GGUF"
VERSIONS = (2, 3)
"""Little-endian; version 1 had other counts and is not met any more."""

SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
"""Code of a metadata value's type -> its `struct` format."""

STRING, ARRAY = 8, 9
LENGTH_BYTES = 8
MOST_DIMENSIONS = 4


class StoredTensor(NamedTuple):
    """One tensor: its shape in torch's order, how it is quantised, and its bytes in the file."""

    name: str
    shape: tuple[int, ...]
    quantisation: "GGMLQuantizationType"
    start: int
    size: int

    @property
    def bits_per_weight(self) -> float:
        """How finely it is stored, block scales included."""
        return 8 * self.size / prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a file says of itself."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, StoredTensor]

    @property
    def architecture(self) -> str:
        """The family of the model, such as qwen2."""
        return str(self.metadata["general.architecture"])


class _Damage(Exception):
    """What of the file cannot be."""


def read_header(path: Path) -> GgufHeader:
    """Read and check the header of a file.

    Raises:
        ModelError: it is no GGUF file, is cut off or damaged, holds no whole model, or the package gguf is missing.
    """
    _refuse_missing_package(path)
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ModelError(f"{path} is no GGUF file (it does not begin with {MAGIC.decode()}): give one that is.")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
                return _read(path, _Cursor(mapped, len(MAGIC)))
    except _Damage as damage:
        raise ModelError(f"{path} is no whole GGUF file ({damage}): fetch it again.") from damage
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}): give a file that can.") from error


def _refuse_missing_package(path: Path) -> None:
    try:
        import gguf  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise ModelError(f"Reading {path} needs the package gguf: `python3 -m pip install gguf`.") from error


class _Cursor:
    """A place in a file, moved on by what is read there."""

    def __init__(self, mapped: mmap.mmap, place: int) -> None:
        self._mapped = mapped
        self.size = len(mapped)
        self.place = place

    def scalar(self, code: str) -> Any:
        return self.scalars(code, 1)[0]

    def scalars(self, code: str, count: int) -> tuple[Any, ...]:
        start = self._move(count * struct.calcsize(f"<{code}"))
        return struct.unpack_from(f"<{count}{code}", self._mapped, start)

    def string(self) -> str:
        start = self._move(self.scalar("Q"))
        try:
            return self._mapped[start : self.place].decode()
        except UnicodeDecodeError as error:
            raise _Damage(f"the text at byte {start} is not UTF-8") from error

    def refuse_count(self, count: int, least_bytes: int, what: str) -> None:
        """Raise where so many things cannot be in what is left of the file."""
        if count * least_bytes > self.size - self.place:
            raise _Damage(f"it promises {count} {what} and has {self.size} bytes")

    def _move(self, length: int) -> int:
        start = self.place
        if length > self.size - start:
            raise _Damage(f"it ends at byte {self.size}, in the middle of its header")
        self.place = start + length
        return start


def _read(path: Path, cursor: _Cursor) -> GgufHeader:
    version = cursor.scalar("I")
    if version not in VERSIONS:
        raise ModelError(f"{path} is of GGUF version {version}, not 2 or 3 (little-endian): convert the model again.")
    tensor_count, entry_count = cursor.scalars("Q", 2)
    cursor.refuse_count(entry_count, LENGTH_BYTES + 5, "metadata entries")
    metadata: dict[str, Any] = {}
    for _ in range(entry_count):
        key = cursor.string()
        if key in metadata:
            raise _Damage(f"{key} is there twice")
        metadata[key] = _value(cursor, cursor.scalar("I"))
    if not isinstance(metadata.get("general.architecture"), str):
        raise _Damage("general.architecture is missing")
    _refuse_part(path, metadata)
    cursor.refuse_count(tensor_count, LENGTH_BYTES + 24, "tensors")
    return GgufHeader(path, metadata, _tensors(path, cursor, tensor_count, metadata))


def _refuse_part(path: Path, metadata: dict[str, Any]) -> None:
    if (parts := metadata.get("split.count", 1)) != 1:
        raise ModelError(f"{path} is one of {parts} parts: join them with `llama-gguf-split --merge`.")


def _value(cursor: _Cursor, kind: int) -> Any:
    if kind in SCALARS:
        return cursor.scalar(SCALARS[kind])
    if kind == STRING:
        return cursor.string()
    if kind != ARRAY:
        raise _Damage(f"a metadata value is of the unknown type {kind}")
    item, count = cursor.scalar("I"), cursor.scalar("Q")
    if item in SCALARS:
        cursor.refuse_count(count, struct.calcsize(f"<{SCALARS[item]}"), "values")
        return list(cursor.scalars(SCALARS[item], count))
    if item != STRING:
        raise _Damage(f"a list is of values of the type {item}")
    cursor.refuse_count(count, LENGTH_BYTES, "texts")
    read: Callable[[], str] = cursor.string
    return [read() for _ in range(count)]


def _tensors(path: Path, cursor: _Cursor, count: int, metadata: dict[str, Any]) -> dict[str, StoredTensor]:
    entries = [_tensor(path, cursor) for _ in range(count)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise _Damage(f"general.alignment is {alignment}, not a power of two")
    data = -(-cursor.place // alignment) * alignment
    tensors = {entry.name: entry._replace(start=data + entry.start) for entry in entries}
    if len(tensors) < count:
        raise _Damage("a tensor is there twice")
    if not tensors:
        raise ModelError(f"{path} holds no tensors, only a vocabulary: give the file of a whole model.")
    end = max(entry.start + entry.size for entry in tensors.values())
    if end > cursor.size:
        raise _Damage(f"it has {cursor.size} bytes and its tensors end at {end}")
    return tensors


def _tensor(path: Path, cursor: _Cursor) -> StoredTensor:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    name, dimensions = cursor.string(), cursor.scalar("I")
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise _Damage(f"{name} has {dimensions} dimensions")
    shape = cursor.scalars("Q", dimensions)
    kind, start = cursor.scalar("I"), cursor.scalar("Q")
    try:
        quantisation = GGMLQuantizationType(kind)
    except ValueError as error:
        raise ModelError(
            f"{path} stores {name} in the unknown type {kind}: give a file in F16, Q8_0 or Q4_K_M."
        ) from error
    block, block_bytes = GGML_QUANT_SIZES[quantisation]
    if 0 in shape or shape[0] % block:
        raise _Damage(f"{name} has rows of {shape[0]}, stored in blocks of {block}")
    return StoredTensor(name, tuple(reversed(shape)), quantisation, start, prod(shape) // block * block_bytes)
