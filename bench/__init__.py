"""The harness: from an experiment file to trained cells, records and a leaderboard.

In: a TOML file that names base models, methods, a task, a signal and seeds. Out: `results/`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr_bench.api import load_records, results, run
    from rlvr_bench.tasks.grade import grade

__all__ = ["grade", "load_records", "results", "run"]

_MODULES = {
    "grade": "rlvr_bench.tasks.grade",
    "load_records": "rlvr_bench.api",
    "results": "rlvr_bench.api",
    "run": "rlvr_bench.api",
}


def __getattr__(name: str) -> Any:
    """Import what the package offers when it is asked for: `import rlvr_bench` itself is to cost nothing."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
