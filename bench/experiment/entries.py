"""The method entries of an experiment: which there are, at which learning rates, and what of them cannot run."""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import Tuning
from rlvr_bench.experiment.search_space import LARGEST_RATE
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.fingerprint import file_digest, folder_fingerprint
from rlvr_bench.models.shapes import parameter_shapes
from rlvr_bench.models.source import source_of

LONGEST_NAME = 200
"""Characters of a method's name with what distinguishes it, which is the name of a folder."""


def selected_entries(experiment: Experiment, only: str | None) -> dict[str, tuple[dict[str, Any], float]]:
    """Return the method entries whose names match the glob `only`; raises ExperimentError if none does."""
    entries = _method_entries(experiment)
    if only is None:
        return entries
    selected = {name: entry for name, entry in entries.items() if fnmatch(name, only)}
    if not selected:
        raise ExperimentError(f'--only "{only}" matches no method of "{experiment.name}"; it has: {", ".join(entries)}')
    return selected


def settings_of_a_cell(name: str, method: dict[str, Any], rate: float, tuning: Tuning | None) -> dict[str, Any]:
    """Return the keys of a cell that an entry fills; raises ExperimentError where a file that it reads is not there."""
    return {
        "method_name": name,
        "method": method,
        "learning_rate": rate,
        "method_fingerprints": _content(method),
        "tuning": tuning,
    }


def refuse_ranks_above_matrices(experiment: Experiment, entries: Mapping[str, tuple[Mapping[str, Any], float]]) -> None:
    """Raise ExperimentError for a rank that no matrix of a base that is here can have."""
    folders = {base.name: source_of(base).folder for base in experiment.bases}
    for base, folder in folders.items():
        sides = [side for shape in parameter_shapes(folder).values() for side in shape] if folder else []
        for name, (config, _) in entries.items():
            rank = config.get("rank")
            if sides and isinstance(rank, int) and rank > max(sides):
                raise ExperimentError(
                    f"methods.{name}: rank = {rank} is above {max(sides)}, the longest side of any matrix of {base}; "
                    "lower it"
                )


def _rates(method: str, entry: object) -> list[float]:
    """Return the learning rates of a method entry, one or several; raises ExperimentError for anything else."""
    listed = entry if isinstance(entry, list) else [entry]
    rates = [float(rate) for rate in listed if isinstance(rate, int | float) and not isinstance(rate, bool)]
    good = len(rates) == len(listed) and all(0 < rate <= LARGEST_RATE for rate in rates)
    if not rates or not good or len({f"{rate:g}" for rate in rates}) < len(rates):
        raise ExperimentError(
            f"methods.{method}: learning_rate = {entry!r}; give a number above 0 and up to {LARGEST_RATE:g}, or a list "
            "of different ones to try"
        )
    return rates


def _method_entries(experiment: Experiment) -> dict[str, tuple[dict[str, Any], float]]:
    """Return each method's resolved config and learning rate; a list of rates gives `name@rate` entries."""
    entries: dict[str, tuple[dict[str, Any], float]] = {}
    for name, entry in experiment.methods.items():
        keys = {key: value for key, value in entry.items() if key != "search"}
        if "learning_rate" not in keys:
            raise ExperimentError(
                f"methods.{name} has no learning_rate; add one, a list to try several, or a [protocol] that finds one"
            )
        listed = keys.pop("learning_rate")
        rates = _rates(name, listed)
        config = method_registry.create({"type": name} | keys).model_dump(mode="json")
        entries |= {f"{name}@{rate:g}" if isinstance(listed, list) else name: (config, rate) for rate in rates}
    if long := [name for name in entries if len(name) > LONGEST_NAME]:
        raise ExperimentError(
            f"methods.{long[0][:40]}...: a name of {len(long[0])} characters is too long for a folder; shorten it"
        )
    return entries


def _content(method: dict[str, Any]) -> tuple[str, ...]:
    """Return hashes of the files that a method reads; raises ExperimentError where one is not there."""
    fingerprints = []
    for path in (Path(file).expanduser() for file in method_registry.create(method).files):
        if not path.exists():
            raise ExperimentError(
                f"method {method['type']!r} reads {path}, which does not exist; give a path that does"
            )
        fingerprints.append(folder_fingerprint(path) if path.is_dir() else file_digest(path))
    return tuple(fingerprints)
