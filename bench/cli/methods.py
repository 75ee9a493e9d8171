"""Verbs about methods: list, show, check, cost."""

import sys
from typing import Annotated

import typer

from rlvr_bench.cli.options import JsonOption, given_settings

app = typer.Typer(help="Fine-tuning methods.", no_args_is_help=True)


@app.command("list")
def methods_list(
    base: Annotated[str, typer.Option(help="The base on which trainable parameters are counted.")] = "organism-steps",
    counts: Annotated[
        bool, typer.Option("--counts", help="Attach the methods whose count the shapes of the base do not tell.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the registered methods, and what each trains at its defaults."""
    from rlvr_bench.cli.methods_table import ALIAS_COLUMNS, COLUMNS, LEGEND, alias_rows, as_text, listing
    from rlvr_bench.console.tables import print_json, print_table
    from rlvr_bench.methods.registry import available

    rows = listing(base, counts)
    if as_json:
        print_json(rows)
    else:
        print_table([as_text(row) for row in rows], COLUMNS)
        print(LEGEND.format(base=base))
        print_table(alias_rows(), ALIAS_COLUMNS)
    _name_faults("not listed", available()[1])


@app.command("show")
def methods_show(name: str, as_json: JsonOption = False) -> None:
    """Show a method's formula, source, dial, learning rates and settings with their defaults and why they are that."""
    from rlvr_bench.cli.methods_table import entry_as_text
    from rlvr_bench.console.tables import print_entry, print_json
    from rlvr_bench.methods import registry as method_registry

    entry = method_registry.describe(name).model_dump(mode="json")
    if as_json:
        print_json(entry)
    else:
        print_entry(entry_as_text(entry), lists=["fields"])


@app.command("check")
def methods_check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Check all registered methods.")] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method as in TOML, such as --set rank=4.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove on tiny models that a method does what every method must: one line per check."""
    from rlvr_bench.cli.methods_check import check, configs, every_config
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.methods.registry import available

    if every == bool(names) or (every and keys):
        raise ExperimentError("methods check: name the methods, with --set if you like, or give --all")
    chosen, without = every_config() if every else (configs(names or [], given_settings(keys)), [])
    if every:
        _name_faults("not checked", available()[1])
    for name in without:
        print(f"not checked: {name} needs settings, see methods show {name}", file=sys.stderr)
    raise typer.Exit(0 if check(chosen, brief=every, as_json=as_json) else 1)


@app.command("cost")
def methods_cost(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Measure all registered methods at their defaults.")] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method as in TOML, such as --set rank=4.")
    ] = None,
    base: Annotated[str, typer.Option(help="The base model to measure on.")] = "organism-steps",
    pairs: Annotated[int, typer.Option(min=1, help="Steps of the method and of full fine-tuning to compare.")] = 15,
    rows: Annotated[int, typer.Option(min=1, help="Sequences of 64 tokens in the batch of a step.")] = 64,
    as_json: JsonOption = False,
) -> None:
    """Measure one optimizer step of a method beside full fine-tuning's: time, optimizer state, memory; as CSV."""
    from rlvr_bench.cli.methods_cost import configs, every_default, report
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.methods.registry import available

    if every == bool(names) or (every and keys):
        raise ExperimentError("methods cost: name the methods, with --set if you like, or give --all")
    chosen, without = every_default() if every else configs(names or [], given_settings(keys))
    if every:
        _name_faults("not measured", available()[1])
    for name in without:
        print(f"not measured: {name} has no defaults, its keys decide what it costs", file=sys.stderr)
    sound = report(chosen, base, pairs, rows, as_json)
    raise typer.Exit(0 if sound and (every or not without) else 1)


def _name_faults(what: str, faults: list[str]) -> None:
    """Say on stderr which plug-ins are left out, and why."""
    for fault in faults:
        print(f"{what}: {fault}", file=sys.stderr)
