"""An experiment file that trains the cells of a row again, from what their record says alone."""

import json
from functools import lru_cache
from typing import Any

import tomli_w

from rlvr_bench.experiment.measurements import DEFAULT
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.record.schema import RunRecord

NAME = "again"
CLIPS, OFF = ("clip_low", "clip_high"), "off"
"""Settings whose absence an experiment file writes as a word."""


def experiment_head(record: RunRecord) -> str:
    """Return the experiment file without its methods: base, reward, task, signal and evaluation, every key written.

    Of the measurements those are named that differ from the default.
    A key without a value is left out: TOML has no null, so that no experiment file could have set it but as a word.
    """
    cell = record.cell
    head = {"name": NAME, "bases": [cell["base"]], "rewards": [cell["reward"]]}
    tables: dict[str, Any] = {part: cell[part] for part in ("task", "signal", "evaluate") if part in cell}
    tables["signal"] = {key: OFF if value is None and key in CLIPS else value for key, value in cell["signal"].items()}
    if cell.get("interventions"):
        head["interventions"] = [cell["interventions"]]
    if measurements := _measurements(cell.get("measurements", {})):
        tables["measurements"] = measurements
    return _toml(json.dumps(head | tables))


@lru_cache(maxsize=256)
def _toml(document: str) -> str:
    """Return a JSON document as TOML: the rows of a comparison share it, and to write TOML takes long."""
    return tomli_w.dumps(_written(json.loads(document)))


def method_table(record: RunRecord) -> str:
    """Return the method's table of the experiment file. `name@rate` is written as the list of rates that it was."""
    keys = record.keys
    name, _, tried = keys.method_name.partition("@")
    rate = [keys.learning_rate] if tried else keys.learning_rate
    return tomli_w.dumps({"methods": {name: _written(_chosen(keys.method)) | {"learning_rate": rate}}})


def command(records: tuple[RunRecord, ...]) -> str:
    """Return the command that runs the file for the seeds of these records."""
    seeds = ",".join(str(seed) for seed in sorted({record.keys.seed for record in records}))
    return f"rlvr-bench run {NAME}.toml --seeds {seeds}"


def _measurements(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the table of what differs from the default: what is measured besides, and what is left out."""
    asked = {name: settings or True for name, settings in measured.items() if settings or name not in DEFAULT}
    return asked | {name: False for name in DEFAULT if name not in measured}


def _chosen(method: dict[str, Any]) -> dict[str, Any]:
    """Return the method's type and what differs from its defaults; all of it if the type is not known here.

    A default is not written out: some keys may only be given together with others.
    """
    try:
        fields = method_registry.method_class(str(method["type"])).model_fields
    except MethodError:
        return method
    usual = {name: _written(field.get_default(call_default_factory=True)) for name, field in fields.items()}
    return {name: value for name, value in method.items() if name == "type" or usual.get(name, method) != value}


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value
