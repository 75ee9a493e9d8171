"""`rlvr-bench rewards list | show`: what training may be paid by."""

from typing import Any

import typer

from rlvr_bench.cli.options import JsonOption, PluginOption

app = typer.Typer(help="Rewards: what training sees.", no_args_is_help=True)


@app.command("list")
def rewards_list(plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """List the rewards."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.tasks import rewards

    kinds, faults = rewards.available()
    rows = [{"name": name, "description": kind.description} for name, kind in kinds.items()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "description"])
    say(*(f"not listed: {fault}" for fault in faults))
    raise typer.Exit(1 if faults else 0)


@app.command("show")
def rewards_show(name: str, plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """Show what a reward pays for, and its settings."""
    from rlvr_bench.console.tables import print_entry
    from rlvr_bench.console.text import print_json

    entry = _details(name)
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, lists=["settings"])


def _details(name: str) -> dict[str, Any]:
    from rlvr_bench.tasks import rewards

    kind = rewards.find(name)
    settings = [
        {
            "key": key,
            "required": field.is_required(),
            "default": None if field.is_required() else field.default,
            "description": field.description or "",
        }
        for key, field in kind.settings.model_fields.items()
        if key != "name"
    ]
    return {"name": name, "description": kind.description, "uses_labels": kind.labels is not None, "settings": settings}
