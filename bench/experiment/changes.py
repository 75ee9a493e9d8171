"""What the command line changes in an experiment file before it is read: another base, another task, single keys."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.models.source import organism_names
from rlvr_bench.plugins.toml import parsed_toml

SIGNAL_KEYS = ("max_new_tokens", "micro_batch", "precision", "rollout_backend")
FOR_LARGE_MODELS = {
    "signal": SIGNAL_KEYS,
    "signals": SIGNAL_KEYS,
    "evaluate": ("max_new_tokens", "batch_size"),
}
"""Keys that an organism in place of a large model leaves at their defaults, which are made for organisms."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is put in place of what a file says; `keys` are dotted, such as `signal.steps`."""

    base: str | None = None
    task: str | None = None
    keys: tuple[tuple[str, Any], ...] = ()

    def applied(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document of an experiment file with these changes.

        Another task comes at its defaults and alone, without the file's extra tasks. Raises ExperimentError when a key
        leads through something that is no table.
        """
        changed = deepcopy(dict(document))
        if self.base is not None:
            changed.pop("base", None)
            changed["bases"] = [self.base]
            if self.base in organism_names():
                changed |= {
                    name: _without(changed[name], keys) for name, keys in FOR_LARGE_MODELS.items() if name in changed
                }
        if self.task is not None:
            changed.pop("tasks", None)
            changed["task"] = {"name": self.task}
            changed["evaluate"] = {k: v for k, v in changed.get("evaluate", {}).items() if k != "extra_tasks"}
        for key, value in self.keys:
            _put(changed, key, value)
        return changed


def parsed_keys(written: Iterable[str]) -> tuple[tuple[str, Any], ...]:
    """Return the keys that are written `key=value`, the value as in TOML; what is not TOML is a text."""
    return tuple((key.strip(), _value(value)) for key, _, value in (text.partition("=") for text in written))


def _without(tables: Any, keys: tuple[str, ...]) -> Any:
    """Return a table, or each of a list of tables, without these keys; what is neither is left as it is."""
    if isinstance(tables, list):
        return [_without(table, keys) for table in tables]
    return {key: value for key, value in tables.items() if key not in keys} if isinstance(tables, dict) else tables


def _value(written: str) -> Any:
    try:
        return parsed_toml(f"value = {written}")["value"]
    except ValueError:
        return written


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    table = document
    for name in path:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ExperimentError(f'--set {key}: "{name}" is no table; name a key of a table, such as signal.steps')
    table[last] = value
