"""The whole command: every verb, and what becomes of an error."""

import sys
from typing import Annotated

import typer

from rlvr_bench.cli import (
    contamination,
    findings,
    geometry,
    leaderboard,
    machine,
    methods,
    models,
    plan,
    presets,
    report,
    rescore,
    results,
    rewards,
    run,
    sweep,
    tasks,
    think,
)
from rlvr_bench.console.text import say, tell

DEBUG = "--debug"

app = typer.Typer(
    help="Which fine-tuning method should I use under RL with verifiable rewards, and why?",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for verb in (run, plan, sweep, leaderboard, report, findings, rescore, geometry, think, contamination, machine):
    app.add_typer(verb.app)
for name, group in {
    "results": results,
    "presets": presets,
    "methods": methods,
    "tasks": tasks,
    "rewards": rewards,
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


def main() -> None:
    """Run the command line; without --debug, no traceback reaches the user."""
    if DEBUG in sys.argv:  # wherever it stands
        sys.argv.remove(DEBUG)
        app()
    try:
        app()
    except KeyboardInterrupt:
        _fail("interrupted", 130)
    except Exception as error:  # noqa: BLE001 - the boundary to the user
        _fail(*_sentence(error))


def _fail(sentence: str, code: int) -> None:
    say(f"rlvr-bench: {sentence}")
    sys.exit(code)


def _sentence(error: Exception) -> tuple[str, int]:
    """Return what to say of an error, and the exit code."""
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.geometry.errors import GeometryError
    from rlvr_bench.methods.errors import MethodError
    from rlvr_bench.models.errors import ModelError
    from rlvr_bench.record.errors import RecordError, ResultsInUseError
    from rlvr_bench.studies.errors import FindingsError
    from rlvr_bench.tasks.errors import TaskError
    from rlvr_bench.thinking.errors import ThinkingError

    wrong = (ExperimentError, FindingsError, GeometryError, ModelError, MethodError, TaskError, ResultsInUseError)
    if isinstance(error, (*wrong, ThinkingError)):
        return str(error), 2
    if isinstance(error, RecordError):
        return str(error), 1
    return f"internal error: {type(error).__name__}: {error}; run it again with --debug and report what it says", 1
