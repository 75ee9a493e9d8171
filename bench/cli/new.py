"""`rlvr-bench new`: a small package to start a plug-in from, with a test that passes."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


class Kind(StrEnum):
    """What can be plugged in."""

    method = "method"
    task = "task"
    reward = "reward"
    measurement = "measurement"


@app.command()
def new(
    kind: Annotated[Kind, typer.Argument(help="What is to be plugged in.", show_default=False)],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder; its last name is the plug-in's.")],
) -> None:
    """Write a package with one plug-in that works: its module, entry point and tests. Install it: pip install -e."""
    from rlvr_bench.console.text import say, tell
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.plugins.starters import package_files
    from rlvr_bench.record.atomic import write_whole

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExperimentError(f"{folder} is there and not empty; name a new folder")
    try:
        files = package_files(kind.value, folder.resolve().name)
    except ValueError as error:
        raise ExperimentError(f"{folder}: {error}") from error
    for path, text in files.items():
        write_whole(folder / path, text)
        tell(str(folder / path))
    say(f"next: python -m pip install -e {folder} && python -m pytest {folder}")
