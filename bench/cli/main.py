"""The whole command: every verb. Its process, and what becomes of an error, is `entry`."""

from typing import Annotated

import typer

from rlvr_bench.cli import (
    audit,
    compare,
    contamination,
    export,
    findings,
    geometry,
    init,
    leaderboard,
    machine,
    methods,
    models,
    new,
    plan,
    presets,
    report,
    rescore,
    results,
    rewards,
    run,
    signals,
    status,
    sweep,
    tasks,
    think,
)
from rlvr_bench.cli.entry import DEBUG
from rlvr_bench.console.text import tell

app = typer.Typer(
    help="Which fine-tuning method should I use under RL with verifiable rewards, and why?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for verb in (
    init,
    run,
    plan,
    status,
    sweep,
    leaderboard,
    compare,
    report,
    export,
    findings,
    rescore,
    geometry,
    audit,
    think,
    contamination,
    machine,
    new,
):
    app.add_typer(verb.app)
for name, group in {
    "results": results,
    "presets": presets,
    "methods": methods,
    "tasks": tasks,
    "rewards": rewards,
    "signals": signals,
    "models": models,
}.items():
    app.add_typer(group.app, name=name)


def _version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        tell(f"rlvr-bench {version('rlvr-bench')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options of every verb."""
