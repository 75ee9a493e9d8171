"""`rlvr-bench signals list | show`: how a cell can be trained."""

from typing import Any

import typer

from rlvr_bench.cli.options import JsonOption

app = typer.Typer(help="Signals: how a cell is trained.", no_args_is_help=True)


@app.command("list")
def signals_list(as_json: JsonOption = False) -> None:
    """List the signals."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json
    from rlvr_bench.experiment.signals import signal_classes

    rows = [{"name": name, "description": _summary(kind)} for name, kind in signal_classes().items()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "description"])


@app.command("show")
def signals_show(name: str, as_json: JsonOption = False) -> None:
    """Show the keys of a signal with their defaults; --set signal.KEY=VALUE sets one."""
    from rlvr_bench.console.tables import print_entry
    from rlvr_bench.console.text import print_json
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.experiment.signals import signal_classes
    from rlvr_bench.plugins.suggestion import did_you_mean

    kinds = signal_classes()
    if name not in kinds:
        raise ExperimentError(f"unknown signal {name!r}{did_you_mean(name, kinds)}")
    schema = kinds[name].model_json_schema()["properties"]
    defaults = kinds[name]().model_dump(mode="json")
    settings = [
        {"key": key, "default": defaults[key], "values": values_in_words(schema[key])}
        for key in defaults
        if key != "type"
    ]
    entry = {"name": name, "description": _summary(kinds[name]), "settings": settings}
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, lists=["settings"])


def _summary(kind: type) -> str:
    return " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split())


def values_in_words(schema: dict[str, Any]) -> str:
    """Return in words what a key of a JSON Schema may be."""
    if "anyOf" in schema:
        return " or ".join(values_in_words(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        each = schema.get("items") or schema.get("prefixItems", [{}])[0]
        return f"list of {values_in_words(each)}"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return " ".join(
        [str(schema.get("type", "")), *(f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema)]
    )
