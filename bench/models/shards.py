"""Which files a checkpoint's index names. Imports no torch."""

import json
from pathlib import Path

from rlvr_bench.models.errors import ModelError

INDEX = "*.safetensors.index.json"


def shards_of(index: Path) -> dict[str, set[str]]:
    """Return the tensors that an index promises, by the name of the file they are in.

    Raises ModelError if it cannot be read, or names a file outside of its folder: what is not beside the index is not
    in the model's fingerprint.
    """
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards: dict[str, set[str]] = {}
        for name, file in weight_map.items():
            shards.setdefault(str(file), set()).add(name)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ModelError(f"{index} is no readable shard index ({error}): fetch or save the model again.") from error
    outside = sorted(file for file in shards if Path(file).name != file)
    if outside:
        raise ModelError(f"{index} names the shard {outside[0]!r}, outside of its folder: put the shards beside it.")
    return shards
