"""Every value that an experiment resolves to, and where it comes from: the command line, the file, or a default."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any, Literal, NamedTuple

from rlvr_bench.experiment.changes import AXES, Changes, entries_of, name_of
from rlvr_bench.experiment.experiment import Experiment, load, read_document
from rlvr_bench.experiment.interventions import resolve as resolve_interventions
from rlvr_bench.experiment.measurements import resolve as resolve_measurements
from rlvr_bench.experiment.search_space import LEARNING_RATE
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.settings import validated

Origin = Literal["command line", "experiment file", "default"]

NAMED = ("base", "task", "reward")
"""Axes whose entries are known by their names, wherever they stand."""

BY_PROTOCOL = "found by [protocol]"


class ResolvedValue(NamedTuple):
    """One value: its dotted key as `--set` takes it (an axis of several numbered from 0), and where it comes from.

    `replaced` is the value of the file that the command line took away; None where there is none.
    """

    key: str
    value: Any
    origin: Origin
    replaced: Any = None


def resolved_values(
    name_or_path: str, changes: Changes, seeds: tuple[int, ...] | None = None, only: str = "*"
) -> list[ResolvedValue]:
    """Return every value of an experiment that changes its cells, in the order of its file's parts.

    Args:
        name_or_path: a preset's name or the path of a file.
        changes: of the command line.
        seeds: of the command line, instead of the experiment's.
        only: a glob on the methods.

    Raises what `load` raises, and TaskError, MethodError for settings of theirs that are wrong.
    """
    file, experiment = read_document(name_or_path), load(name_or_path, changes)
    origins = _Origins(file, changes)
    found = [origins.of("seeds", seeds or experiment.seeds, given=seeds is not None)]
    for one, tables in _axes(experiment).items():
        for place, table in enumerate(tables):
            name = one if len(tables) == 1 else f"{AXES.get(one, one)}.{place}"
            found += [origins.of_axis(one, place, name, key, value) for key, value in table.items()]
    sections = {"evaluate": experiment.evaluate.model_dump(mode="json")}
    if experiment.protocol is not None:
        sections["protocol"] = experiment.protocol.model_dump(mode="json")
    sections["measurements"] = resolve_measurements(experiment.measurements)
    for section, table in sections.items():
        found += [origins.of(f"{section}.{key}", value) for key, value in table.items()]
    for name, entry in experiment.methods.items():
        if fnmatch(name, only):
            found += [origins.of(f"methods.{name}.{key}", value) for key, value in _method(name, entry)]
    return [*found, origins.of("keep_weights", experiment.keep_weights), origins.of("plugins", experiment.plugins)]


def _axes(experiment: Experiment) -> dict[str, list[Mapping[str, Any]]]:
    """Return the resolved tables of every axis; no row for the empty intervention."""
    return {
        "base": [base.model_dump(mode="json", exclude_none=True) for base in experiment.bases],
        "task": [_task(settings) for settings in experiment.tasks],
        "signal": [signal.model_dump(mode="json") for signal in experiment.signals],
        "reward": [rewards.resolve(reward) for reward in experiment.rewards],
        "interventions": [resolve_interventions(table) for table in experiment.interventions],
    }


def _task(settings: Mapping[str, Any]) -> dict[str, Any]:
    name = str(settings["name"])
    return validated(task_registry.find(name).settings, settings, f"Task {name!r}").model_dump(mode="json")


def _method(name: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of a method, its learning rate first."""
    keys = dict(entry)
    search = keys.pop("search", None)
    yield LEARNING_RATE, keys.pop(LEARNING_RATE, BY_PROTOCOL)
    yield from method_registry.create({"type": name} | keys).model_dump(mode="json", exclude_none=True).items()
    if search is not None:
        yield "search", search


class _Origins:
    """Where values come from, by what a file says and what the command line changes in it."""

    def __init__(self, file: Mapping[str, Any], changes: Changes) -> None:
        self._file, self._changed = file, changes.applied(file)
        self._keys = {_with_axis(key) for key, _ in changes.keys}
        self._keys |= {("base", "name")} if changes.base is not None else set()
        self._keys |= {("task", "name")} if changes.task is not None else set()

    def of(self, key: str, value: Any, given: bool = False) -> ResolvedValue:
        """Return a value that is not of an axis; `given` says that an option of the command line is it."""
        path = tuple(key.split("."))
        before, now = _at(self._file, path), _at(self._changed, path)
        return self._resolved(key, value, before, now, given or self._is_set(path))

    def of_axis(self, one: str, place: int, name: str, key: str, value: Any) -> ResolvedValue:
        """Return a value in an entry of an axis."""
        entry = _entry(self._changed, one, place)
        before = _entry(self._file, one, place)
        if one in NAMED:
            namesakes = [each for each in _entries(self._file, one) if name_of(each) == name_of(entry)]
            before = namesakes[0] if namesakes else before
        is_set = self._is_set((one, key))
        return self._resolved(f"{name}.{key}", value, _table(before).get(key), _table(entry).get(key), is_set)

    def _is_set(self, path: tuple[str, ...]) -> bool:
        return any(path[: len(key)] == key[: len(path)] for key in self._keys)

    @staticmethod
    def _resolved(key: str, value: Any, before: Any, now: Any, is_set: bool) -> ResolvedValue:
        origin: Origin = "command line" if is_set else "default" if now is None else "experiment file"
        return ResolvedValue(key, value, origin, before if origin != "experiment file" and before != value else None)


def _with_axis(key: str) -> tuple[str, ...]:
    first, *rest = key.split(".")
    return next((one for one, several in AXES.items() if first == several), first), *rest


def _entries(document: Mapping[str, Any], one: str) -> list[Any]:
    return entries_of(document, one) if one in AXES else list(document.get(one, ()))


def _entry(document: Mapping[str, Any], one: str, place: int) -> Any:
    entries = _entries(document, one)
    return entries[place] if place < len(entries) else {}


def _table(entry: Any) -> Mapping[str, Any]:
    return entry if isinstance(entry, dict) else {"name": entry}


def _at(document: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        document = document.get(part) if isinstance(document, dict) else None
    return document
