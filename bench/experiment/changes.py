"""What the command line changes in an experiment file before it is read: another base, another task, single keys."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.models.source import organism_names
from rlvr_bench.plugins.toml import parsed_toml

AXES = {"base": "bases", "task": "tasks", "signal": "signals", "reward": "rewards"}
"""The table of a file that stands for one value of an axis -> the axis."""

SIGNAL_KEYS = ("max_new_tokens", "micro_batch", "precision", "rollout_backend")
FOR_LARGE_MODELS = {
    "signal": SIGNAL_KEYS,
    "signals": SIGNAL_KEYS,
    "evaluate": ("max_new_tokens", "batch_size"),
}
"""Keys that an organism in place of large models leaves at their defaults, which are made for organisms."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is put in place of what a file says; `keys` are dotted, such as `signal.steps`."""

    base: str | None = None
    task: str | None = None
    keys: tuple[tuple[str, Any], ...] = ()

    def applied(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return the document of an experiment file with these changes.

        A base or a task that the file has is chosen from it, with its settings there. Another task comes at its
        defaults and alone, without the file's extra tasks; an organism in place of larger models alone leaves the keys
        that are for those. Raises ExperimentError when a key leads through something that is no table.
        """
        changed = deepcopy(dict(document))
        if self.base is not None:
            _choose_base(changed, self.base)
        if self.task is not None:
            _choose_task(changed, self.task)
        for key, value in self.keys:
            _put(changed, key, value)
        return changed


def parsed_keys(written: Iterable[str]) -> tuple[tuple[str, Any], ...]:
    """Return the keys that are written `key=value`, the value as in TOML; what is not TOML is a text.

    Raises ExperimentError where there is no "=" or no key.
    """
    return tuple(_parsed(text) for text in written)


def _parsed(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ExperimentError(f"--set {text}: write KEY=VALUE, the value as in TOML, such as signal.steps=4")
    return key.strip(), _value(value)


def _choose_base(document: dict[str, Any], base: str) -> None:
    own = entries_of(document, "base")
    document["bases"] = [entry for entry in own if name_of(entry) == base] or [base]
    document.pop("base", None)
    organisms = set(organism_names())
    if base in organisms and own and not {name_of(entry) for entry in own} & organisms:
        for table, keys in FOR_LARGE_MODELS.items():
            if table in document:
                document[table] = _without(document[table], keys)


def _choose_task(document: dict[str, Any], task: str) -> None:
    own = [entry for entry in entries_of(document, "task") if name_of(entry) == task]
    document.pop("tasks", None)
    document.pop("task", None)
    document |= {"tasks": own} if len(own) > 1 else {"task": own[0] if own else {"name": task}}
    evaluate = document.get("evaluate")
    if not own and isinstance(evaluate, dict):
        document["evaluate"] = {key: value for key, value in evaluate.items() if key != "extra_tasks"}


def entries_of(document: Mapping[str, Any], one: str) -> list[Any]:
    """Return the entries of an axis, written as one table or as several; what a file gets wrong is none of them."""
    entries = document.get(AXES[one], [document[one]] if one in document else [])
    return list(entries) if isinstance(entries, list | tuple) else []


def name_of(entry: Any) -> Any:
    """Return the name in an entry of an axis, which is a table or a name alone."""
    return (entry.get("name") or entry.get("file")) if isinstance(entry, dict) else entry


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
    """Set a key; one of an axis of several (`signal.steps` of `[[signals]]`) in each of its tables."""
    first, *rest = key.split(".")
    one = next((one for one, several in AXES.items() if first in (one, several)), None)
    if one is None:
        _put_into(document, [first, *rest], value, key)
    elif not rest:
        document.pop(one, None)
        document.pop(AXES[one], None)
        document[first] = value
    elif AXES[one] not in document:
        _put_into(document, [one, *rest], value, key)
    else:
        tables = [{"name": entry} if isinstance(entry, str) else entry for entry in entries_of(document, one)]
        document[AXES[one]] = tables
        for table in tables:
            _put_into({one: table}, [one, *rest], value, key)


def _put_into(table: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    *tables, last = path
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ExperimentError(f'--set {key}: "{name}" is no table; name a key of a table, such as signal.steps')
    table[last] = value
