"""`rlvr-bench presets list | show`: the experiment files that ship with the package and with installed studies."""

import typer

from rlvr_bench.cli.options import JsonOption

app = typer.Typer(help="Experiments that ship with the package.", no_args_is_help=True)


@app.command("list")
def presets_list(as_json: JsonOption = False) -> None:
    """List the presets by study: what each runs, how many cells that is, and the time that it took on two cores."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.plugins.studies import broken_studies
    from rlvr_bench.studies.presets import all_presets

    say(*broken_studies().values())
    rows = [preset._asdict() for preset in all_presets()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "time", "description", "cells", "study"], numbers=["cells"])
    raise typer.Exit(1 if broken_studies() else 0)


@app.command("show")
def presets_show(name: str, as_json: JsonOption = False) -> None:
    """Print a preset's file, to start an experiment of your own from."""
    from rlvr_bench.console.text import print_json, tell
    from rlvr_bench.experiment.experiment import preset_text
    from rlvr_bench.studies.presets import all_presets

    file = preset_text(name)
    if as_json:
        print_json(next(preset._asdict() for preset in all_presets() if preset.name == name) | {"file": file})
    else:
        tell(file.removesuffix("\n"))
