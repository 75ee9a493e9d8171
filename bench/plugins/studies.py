"""Where studies lie: a package under the entry-point group `rlvr_bench.studies`, this one's own and those of others.

A study's folder holds `presets/*.toml` and `claims.toml`, each if it has any. They are read as data: the package's
modules are imported only when a claim is judged.
"""

from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

GROUP = "rlvr_bench.studies"


def study_folders() -> dict[str, Path]:
    """Return the folder of every installed study that can be found, by name."""
    return {name: folder for name, folder in _found().items() if isinstance(folder, Path)}


def broken_studies() -> list[str]:
    """Return a sentence for every installed study whose folder cannot be found."""
    return [folder for folder in _found().values() if isinstance(folder, str)]


@cache
def _found() -> dict[str, Path | str]:
    """Return by name the folder of a study, or what is wrong with it."""
    folders: dict[str, Path | str] = {}
    for point in sorted(entry_points(group=GROUP)):
        try:
            folders[point.name] = Path(str(files(point.value)))
        except (Exception, SystemExit) as failure:  # noqa: BLE001 - another package's code, which is named
            reason = f"{type(failure).__name__}: {failure}"
            folders[point.name] = (
                f"study {point.name!r} ({point.value}) cannot be imported ({reason}); mend or uninstall it"
            )
    return folders
