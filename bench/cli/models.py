"""Verbs about models: list, show, build."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import JsonOption, given_settings

app = typer.Typer(help="Base models that need no hub.", no_args_is_help=True)


@app.command("list")
def models_list(as_json: JsonOption = False) -> None:
    """List the base models that need no hub."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json
    from rlvr_bench.models.catalog import catalog

    rows = [entry.model_dump(mode="json") for entry in catalog()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "parameters", "kind", "description"], numbers=["parameters"])


@app.command("show")
def models_show(name: str, as_json: JsonOption = False) -> None:
    """Show how an organism was made and what it measured."""
    from rlvr_bench.console.tables import print_entry, print_table
    from rlvr_bench.console.text import print_json
    from rlvr_bench.models.catalog import details

    entry = details(name)
    if as_json:
        print_json(entry)
    else:
        recipe = entry.pop("recipe", {})
        print_entry(entry, lists=["scores"] if "scores" in entry else [])
        parts = {key: value for key, value in recipe.items() if _are_tables(value)}
        if recipe:
            rows = [{"recipe": key, "value": value} for key, value in recipe.items() if key not in parts]
            print_table(rows, ["recipe", "value"])
            print_entry(parts, lists=list(parts))


def _are_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


@app.command("build")
def models_build(
    name: str,
    folder: Annotated[
        Path | None, typer.Option(help="Where to build it, by default ./NAME.", show_default=False)
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option("--set", help="A dial of the recipe as in TOML, such as --set fork.strength=0.8; needs --folder."),
    ] = None,
) -> None:
    """Pre-train an organism from its recipe; an interrupted build goes on where it was."""
    from rlvr_bench.console.bars import Bars
    from rlvr_bench.console.text import tell
    from rlvr_bench.models.errors import ModelError
    from rlvr_bench.models.organisms.build import build

    if keys and folder is None:
        raise ModelError(f"--set makes another organism than {name}: say with --folder where, which names it")
    target = folder or Path(name)
    with Bars() as bars:
        build(name, target, bars, given_settings(keys))
    tell(str(target))
