"""The harness: from an experiment file to trained cells, records and a leaderboard.

In: a TOML file that names base models, methods, a task, a signal and seeds. Out: `results/`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlvr_bench.tasks.grade import grade

__all__ = ["grade"]


def __getattr__(name: str) -> Any:
    """Import what the package offers when it is asked for: `import rlvr_bench` itself is to cost nothing."""
    if name != "grade":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from rlvr_bench.tasks.grade import grade

    return grade
