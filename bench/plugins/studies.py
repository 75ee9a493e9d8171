"""Where studies lie: a package under the entry-point group `rlvr_bench.studies`, this one's own and those of others.

A study's folder holds `presets/*.toml` and `claims.toml`, each if it has any. They are read as data: the package's
modules are imported only when a claim is judged.
"""

from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

GROUP = "rlvr_bench.studies"


@cache
def study_folders() -> dict[str, Path]:
    """Return the folder of every installed study, by name."""
    return {point.name: Path(str(files(point.value))) for point in sorted(entry_points(group=GROUP))}
