"""The shape of a table of figures: its keys, once for all cells that have them; a cell keeps the values alone.

A shape is the table with None in the place of each value, and the number of bytes in the place of a text that is base64
(sampled masks): those bytes go, without base64's third, to one compressed blob a cell.
"""

import binascii
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from typing import Any

LEAST_TEXT = 40
"""Characters from which on a base64 text is kept as bytes."""
LARGEST_BLOB = 1 << 26
"""Bytes to which a cell's blob may grow when it is read: 64 MiB, a thousand times those of an organism's masks."""

Shape = dict[str, Any]

_NONE_LEFT = object()


def shape_of(table: Mapping[str, Any]) -> Shape:
    """Return the shape of a table."""
    return {name: shape_of(value) if isinstance(value, dict) else _size(value) for name, value in table.items()}


def taken_apart(table: Mapping[str, Any]) -> tuple[list[Any], bytes]:
    """Return the values of a table in the order of its sorted keys, and the bytes of its base64 texts."""
    values: list[Any] = []
    blob = bytearray()
    for value in _leaves(table):
        if _size(value) is None:
            values.append(value)
        else:
            blob += b64decode(value)
    return values, bytes(blob)


def in_order(shape: Any) -> Shape:
    """Return a shape that was read from a file with its keys sorted; raises ValueError where it is no table."""
    if not isinstance(shape, dict):
        raise ValueError(f"refers to keys that are a JSON {type(shape).__name__}, not a table")
    return {name: in_order(part) if isinstance(part, dict) else part for name, part in sorted(shape.items())}


def filled(shape: Shape, values: Iterator[Any], blob: "Blob") -> dict[str, Any]:
    """Return the table of a shape whose keys are sorted; takes what it needs from `values` and `blob`.

    Raises:
        ValueError: there are too few.
    """
    table: dict[str, Any] = {}
    for name, part in shape.items():
        if part is None:
            value = next(values, _NONE_LEFT)
            if value is _NONE_LEFT:
                raise ValueError("holds fewer values than the keys that it refers to")
            table[name] = value
        elif isinstance(part, dict):
            table[name] = filled(part, values, blob)
        else:
            table[name] = b64encode(blob.take(part)).decode("ascii")
    return table


def packed(blob: bytes) -> str:
    """Return bytes compressed, as a text for JSON; the same bytes give the same text."""
    return b64encode(zlib.compress(blob, 9)).decode("ascii")


class Blob:
    """The bytes of a cell's base64 texts, one after another."""

    def __init__(self, text: str) -> None:
        """Read what `packed` made.

        Raises:
            ValueError: it is something else, or grows beyond `LARGEST_BLOB`.
        """
        try:
            decompressor = zlib.decompressobj()
            self._bytes = decompressor.decompress(b64decode(text, validate=True), LARGEST_BLOB) if text else b""
        except (binascii.Error, zlib.error) as error:
            raise ValueError(f"its bytes cannot be read ({error})") from error
        if text and not decompressor.eof:
            raise ValueError(f"its bytes are cut off, or are more than {LARGEST_BLOB}")
        self._place = 0

    def take(self, size: int) -> bytes:
        """Return the next bytes; raises ValueError where there are fewer."""
        if not 0 <= size <= len(self._bytes) - self._place:
            raise ValueError("holds fewer bytes than the keys that it refers to")
        self._place += size
        return self._bytes[self._place - size : self._place]

    @property
    def used_up(self) -> bool:
        """Whether everything was taken."""
        return self._place == len(self._bytes)


def _leaves(table: Mapping[str, Any]) -> Iterator[Any]:
    for name in sorted(table):
        value = table[name]
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield value


def _size(value: Any) -> int | None:
    """Return how many bytes a base64 text stands for; None of everything else, and of base64 written otherwise."""
    if not isinstance(value, str) or len(value) < LEAST_TEXT or len(value) % 4:
        return None
    try:
        content = b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return len(content) if b64encode(content).decode("ascii") == value else None
