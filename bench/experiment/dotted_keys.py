"""The dotted keys that `--set` knows in an experiment, and the sentence for one that it does not."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rlvr_bench.experiment.changes import AXES, entries_of, name_of
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.experiment.search_space import LEARNING_RATE
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.experiment.signals import signal_classes
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.registry import describe
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.plugins.suggestion import closest
from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.registry import find as find_task

MOST_SUGGESTED = 3


def refuse_unknown(keys: Iterable[str], document: Mapping[str, Any], top: Iterable[str]) -> None:
    """Raise ExperimentError for the first key that names no setting of an experiment; `top` are its own keys.

    What stands in a table that others read (a reward, a measurement, `search`) is left to them.
    """
    tables, known = _tables(), {*top, *AXES}
    singular = {several: one for one, several in AXES.items()}
    for key in keys:
        first, *rest = key.split(".")
        fields = tables.get(singular.get(first, first))
        if first not in known or (rest and fields is not None and rest[0] not in fields):
            raise ExperimentError(f"--set {key}: there is no such key in an experiment{_hint(key, document, top)}")


def _tables() -> dict[str, set[str]]:
    return {
        "signal": {name for kind in signal_classes().values() for name in kind.model_fields},
        "evaluate": set(EvaluateSettings.model_fields),
        "protocol": set(Protocol.model_fields),
        "base": {*BaseConfig.model_fields, "file"},
    }


def _hint(key: str, document: Mapping[str, Any], top: Iterable[str]) -> str:
    """Return the keys of tables that end as this one does, else the closest of all."""
    last = key.rpartition(".")[2]
    known = list(dict.fromkeys(_known(document)))
    if ending := [name for name in known if name.endswith(f".{last}")]:
        others = f", or {len(ending) - MOST_SUGGESTED} others" if len(ending) > MOST_SUGGESTED else ""
        return f"; did you mean {' or '.join(map(repr, ending[:MOST_SUGGESTED]))}{others}?"
    close = closest(key, [*top, *AXES, *known])
    return f"; did you mean {close!r}?" if close else f"; it has {', '.join(top)}"


def _known(document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of tables, those of the file's own tasks and methods included."""
    for table, fields in _tables().items():
        yield from (f"{table}.{field}" for field in sorted(fields))
    for entry in entries_of(document, "task"):
        yield from (f"task.{field}" for field in _task_fields(name_of(entry)))
    methods = document.get("methods")
    for name, entry in methods.items() if isinstance(methods, dict) else ():
        kind = entry.get("type", name) if isinstance(entry, dict) else name
        yield from (f"methods.{name}.{field}" for field in (*_method_fields(kind), LEARNING_RATE))


def _task_fields(name: Any) -> list[str]:
    try:
        return list(find_task(name).settings.model_fields) if isinstance(name, str) else []
    except TaskError:  # said where the task is made
        return []


def _method_fields(name: Any) -> list[str]:
    try:
        return [field.name for field in describe(name).fields] if isinstance(name, str) else []
    except MethodError:  # said where the method is made
        return []
