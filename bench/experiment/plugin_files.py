"""Plug-in files of an experiment and of a cell: which are read, and which part of a cell comes from which content.

A file names them by path (`plugins = ["my.py"]`, `reward = "my.py:fn"`); behind it stands the last name alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlvr_bench.experiment.interventions import REGISTRY as INTERVENTIONS
from rlvr_bench.experiment.measurements import REGISTRY as MEASUREMENTS
from rlvr_bench.methods.registry import METHODS
from rlvr_bench.plugins.file import REFERENCE, PluginError, PluginFile, files, use
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.registry import TASKS

REWARD_KEYS = ("reward", "rewards")


def with_plugins(document: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Read the plug-in files that an experiment file in `folder` names; return it with their last names in its rewards.

    Raises:
        PluginError: a file is not there or cannot be imported.
    """
    listed = document.get("plugins", [])
    for path in listed if isinstance(listed, list | tuple) else ():
        if isinstance(path, str):
            use(folder / path)
    return {key: _named(value, folder) if key in REWARD_KEYS else value for key, value in document.items()}


def parts_from_files(
    method: Mapping[str, Any],
    task: Mapping[str, Any],
    reward: Mapping[str, Any],
    measurements: Mapping[str, Any],
    interventions: Mapping[str, Any],
) -> dict[str, PluginFile]:
    """Return by part of a cell the plug-in file that it comes from; parts of this package or of others have none."""
    if not files():
        return {}
    parts = {"method": METHODS.file_of(str(method["type"])), "task": TASKS.file_of(str(task["name"]))}
    parts |= {f"reward {file.path.name}": file for file in rewards.plugin_files(reward)}
    parts |= {f"measurement {name}": MEASUREMENTS.file_of(name) for name in measurements}
    parts |= {f"intervention {name}": INTERVENTIONS.file_of(name) for name in interventions}
    return {part: file for part, file in parts.items() if file is not None}


def use_planned(plugins: Mapping[str, str], paths: Sequence[Path]) -> None:
    """Read the plug-in files of a cell in the process that runs it.

    Raises:
        PluginError: a file is not on this machine, or has changed since the cell was planned.
    """
    hashes = {file.path.name: file.sha256 for file in map(use, paths)}
    for name, sha256 in (entry.rsplit(" ", 1) for entry in plugins.values()):
        if hashes.get(name) != sha256:
            raise PluginError(f"plug-in {name} changed after the run was planned; run the same command again")


def _named(value: Any, folder: Path) -> Any:
    """Return rewards with the last names of the files that they name, which are read if they are not yet."""
    if isinstance(value, dict):
        return {key: _named(item, folder) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(item, folder) for item in value]
    reference = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    if reference is None:
        return value
    path, known = folder / reference["file"], files().get(reference["file"])
    file = use(path) if known is None or path.exists() else known  # one of --plugin need not lie beside the experiment
    return f"{file.path.name}:{reference['name']}"
