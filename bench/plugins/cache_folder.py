"""Where things live that can be made again, for plug-ins as for results."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """The cache folder: $RLVR_BENCH_CACHE, else ~/.cache/rlvr-bench. It need not exist yet."""
    return Path(os.environ.get("RLVR_BENCH_CACHE") or Path.home() / ".cache" / "rlvr-bench").expanduser()
