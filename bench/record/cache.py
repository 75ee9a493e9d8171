"""Where things live that can be made again: converted models, shared computations."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache folder: $RLVR_BENCH_CACHE, else ~/.cache/rlvr-bench. It need not exist yet."""
    return Path(os.environ.get("RLVR_BENCH_CACHE") or Path.home() / ".cache" / "rlvr-bench").expanduser()
