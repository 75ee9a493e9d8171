"""Where studies lie: a package under the entry-point group `rlvr_bench.studies`, this one's own and those of others.

A study's folder holds `presets/*.toml` and `claims.toml`, each if it has any. They are read as data: the package's
modules are imported only when a claim is judged.
"""

from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from rlvr_bench.plugins.importing import naming
from rlvr_bench.plugins.trial import study_refusal

GROUP = "rlvr_bench.studies"


def study_folders() -> dict[str, Path]:
    """Return the folder of every installed study that can be found, by name."""
    return {name: folder for name, folder in _found().items() if isinstance(folder, Path)}


def broken_studies() -> dict[str, str]:
    """Return a sentence for every installed study that cannot be imported, by name."""
    return {name: folder for name, folder in _found().items() if isinstance(folder, str)}


@cache
def _found() -> dict[str, Path | str]:
    """Return by name the folder of a study, or what is wrong with it."""
    folders: dict[str, Path | str] = {}
    for point in sorted(entry_points(group=GROUP)):
        study = f"study {point.name!r} ({point.value})"
        with naming(study):
            if (reason := study_refusal(point)) is None:
                try:
                    folders[point.name] = Path(str(files(point.value)))
                    continue
                except (Exception, SystemExit) as failure:  # noqa: BLE001 - another package's code, which is named
                    reason = f"{type(failure).__name__}: {failure}"
        folders[point.name] = f"{study} cannot be imported ({reason}); mend or uninstall it"
    return folders
