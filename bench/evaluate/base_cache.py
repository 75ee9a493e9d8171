"""Scores of an untrained base model, computed once and shared by all cells that would compute the same.

Addressed by content: what changes a score is hashed into the file's name, so nothing has to be invalidated. Two
processes that need the same score compute it once; the second waits. The completions behind a score are kept too
(`record.samples`, under the id that `key` gives).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from rlvr_bench.evaluate.grading import SampleRow
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.record.atomic import write_whole
from rlvr_bench.record.cache import cache_dir, locked
from rlvr_bench.record.samples import samples_path, write_samples
from rlvr_bench.record.schema import Score

CODE_VERSION = 3
"""Raised when a change of this package changes the score of an unchanged model."""

NOT_OF_A_SCORE = {"splits", "extra_tasks"}
"""Settings that say what else is scored."""

_LIBRARIES = {"torch": "torch", "transformers": "transformers", "lm_eval": "lm-eval"}
"""What runs and scores a model, with the name of its distribution."""


def key(
    base_fingerprint: str,
    task_fingerprint: str,
    split: str,
    settings: EvaluateSettings,
    backend: str,
    products: str | None,
    versions: Mapping[str, str] | None = None,
    code: int = CODE_VERSION,
) -> str:
    """Id of a base score: "base-" and 16 hex digits of the hash of all that changes it, library versions included.

    Args:
        products: the library of float32 products; None gives the id of a score from before it was part of it.
        versions: by distribution, where the score was made; the installed ones if not given.
        code: the code version that made it.
    """
    content = {
        "code": code,
        "libraries": {name: versions.get(dist) if versions else version(dist) for name, dist in _LIBRARIES.items()},
        "base": base_fingerprint,
        "task": task_fingerprint,
        "split": split,
        "settings": settings.model_dump(mode="json", exclude=NOT_OF_A_SCORE),
        "backend": backend,
    } | ({} if products is None else {"products": products})
    return "base-" + hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def cached_score(identity: str, compute: Callable[[], tuple[Score, list[SampleRow]]]) -> Score:
    """The score under this id; computed and kept if it is not there yet, or not readable any more.

    Raises:
        RecordError: the cache cannot be written.
    """
    path = cache_dir() / "base" / f"{identity}.json"
    with locked(path.with_suffix(".lock")):
        cached = _read(path)
        if cached is not None and samples_path(identity).exists():
            return cached
        computed, rows = compute()
        write_samples(identity, [row | {"cell_id": identity, "model": "base"} for row in rows])
        write_whole(path, computed.model_dump_json(indent=1) + "\n")
        return computed


def _read(path: Path) -> Score | None:
    try:
        return Score.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        # Of another schema, or damaged: a cache may be filled again, a record may not.
        return None
