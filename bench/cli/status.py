"""`rlvr-bench status`: what a grid that runs in another terminal does now."""

import time
from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import JsonOption, ResultsOption

app = typer.Typer()

WATCH_SECONDS = 2.0


@app.command()
def status(
    results: ResultsOption = Path("results"),
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every 2 s until the run ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how many cells are done, what runs since when, the time left, and the last failures."""
    from rlvr_bench.cli.views.status import clear, show_status
    from rlvr_bench.console.text import print_json
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.launch.live import live_state

    while True:
        state = live_state(results)
        if state is None:
            raise ExperimentError(f"no run has written to {results} yet; start one, or name its folder with --results")
        if as_json:
            print_json(state)
        else:
            if watch:
                clear()
            show_status(state, time.time())
        if not watch or not state["runs"]:
            return
        time.sleep(WATCH_SECONDS)
