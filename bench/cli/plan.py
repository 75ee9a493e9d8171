"""`rlvr-bench plan`: what is done, missing or stale, and what the rest will take."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from rlvr_bench.cli.options import (
    BaseOption,
    ChangesOption,
    DataOption,
    ExperimentArgument,
    JsonOption,
    OnlyOption,
    PluginOption,
    ResultsOption,
    SeedsOption,
    TaskOption,
    WorkersOption,
    experiment_of,
)

if TYPE_CHECKING:
    from rlvr_bench.experiment.experiment import Experiment
    from rlvr_bench.sweep.protocol_trials import Selection

app = typer.Typer()


@app.command()
def plan(
    experiment: ExperimentArgument,
    only: OnlyOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    results: ResultsOption = Path("results"),
    data_dir: DataOption = None,
    plugin: PluginOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which cells are done, missing or stale and why, and what the rest will take."""
    show_plan(*experiment_of(experiment, only, seeds, data_dir, base, task, keys), results, workers, as_json)


def show_plan(
    experiment: "Experiment", selection: "Selection", results: Path, workers: int | None, as_json: bool = False
) -> None:
    """Print the state of every cell and what the rest will take, and exit; see `plan.states`."""
    from dataclasses import replace

    os.environ["HF_HUB_OFFLINE"] = "1"  # a plan fetches nothing, and does not wait for a hub that is out of reach

    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say, tell
    from rlvr_bench.launch.local import cores
    from rlvr_bench.plan.power import power
    from rlvr_bench.plan.states import as_document, by_comparison
    from rlvr_bench.plan.targets import with_targets
    from rlvr_bench.sweep.phases import plan_phases

    phases = plan_phases(experiment, replace(selection, fetch=False), results)
    for problem in phases.problems:
        say(problem)
    planned = with_targets(phases.cells)
    forecasts = power([entry.cell for entry in phases.cells], phases.records)
    document = as_document(planned, workers or cores(), phases.records)
    document["power"] = [forecast.as_document() for forecast in forecasts]
    if as_json:
        print_json(document)
        raise typer.Exit(1 if phases.problems else 0)
    for comparison, lines in by_comparison(planned).items():
        tell(comparison)
        print_table(lines, [name for name in lines[0] if any(line[name] for line in lines)])
        tell("")
    for forecast in forecasts:
        tell(f"{forecast.comparison}: {forecast.sentence()}")
    tell(document["summary"])
    raise typer.Exit(1 if phases.problems else 0)
