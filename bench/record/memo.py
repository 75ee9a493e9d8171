"""What a pure function returned, kept in the cache: what did not change is not computed again.

A result is named by a hash of everything that it follows from: the arguments, the source of this package, and the
versions of the libraries that compute. So a result is found again only where the same code would return the same; a
folder that cannot be read or written, or a file in it that holds something else, costs time and nothing more.
"""

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.cache import cache_dir
from rlvr_bench.record.errors import RecordError

FOLDER = "memo"
KEPT_SECONDS = 30 * 24 * 3600
"""How long what nobody asks for is kept."""

PACKAGES = ("rlvr_bench", "rlvr_bench.methods", "rlvr_bench.tasks")
LIBRARIES = ("numpy", "scipy", "pydantic", "pyarrow")

Json = TypeVar("Json")


def remembered(kind: str, arguments: Iterable[bytes], compute: Callable[[], Json]) -> Json:
    """Return what `compute` returns, from the cache where it was computed of the same arguments before.

    Args:
        kind: names the function; a folder of the cache.
        arguments: all that the result follows from, apart from code.
        compute: returns JSON-able data: dicts with text keys, lists, texts, numbers, None.
    """
    digest = hashlib.sha256(code_digest().encode())
    for argument in arguments:
        digest.update(len(argument).to_bytes(8, "little") + argument)
    path = cache_dir() / FOLDER / kind / f"{digest.hexdigest()[:40]}.json"
    with suppress(OSError, ValueError, RecursionError):
        kept: Json = json.loads(path.read_bytes())
        path.touch()  # asked for: it stays
        return kept
    computed = compute()
    with suppress(OSError, RecordError):
        write_whole(path, json.dumps(computed))
        _forget_old(path.parent)
    return computed


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return a hash of this package's source and of the versions of what it computes with."""
    digest = hashlib.sha256(platform.python_version().encode())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    for path in sorted(_sources()):
        digest.update(f"\n{path}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    """Yield this package's modules; in a checkout its parts lie in folders of their own."""
    for package in PACKAGES:
        spec = find_spec(package)
        for root in spec.submodule_search_locations or () if spec else ():
            for folder, _, names in os.walk(root, followlinks=True):
                yield from (Path(folder, name) for name in names if name.endswith(".py"))


@lru_cache(maxsize=64)
def _forget_old(folder: Path) -> None:
    """Remove what nobody asked for in a long time, once a process and folder."""
    oldest = time.time() - KEPT_SECONDS
    for path in folder.glob("*.json"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()
