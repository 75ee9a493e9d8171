"""`rlvr-bench sweep`: search the settings of one method with Optuna."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import (
    AddressOption,
    BaseOption,
    ChangesOption,
    CpusOption,
    DataOption,
    ExperimentArgument,
    GpusOption,
    JsonOption,
    LauncherOption,
    PluginOption,
    ResultsOption,
    TaskOption,
    ThreadsOption,
    WorkersOption,
    experiment_of,
)

app = typer.Typer()


@app.command()
def sweep(
    experiment: ExperimentArgument,
    method: Annotated[str, typer.Option(help="The method of the experiment whose settings are searched.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of the study, those of earlier commands included.")],
    sampler: Annotated[str, typer.Option(help="Who chooses the settings: tpe, qmc, random or grid.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="Who stops a trial early: none, median or wilcoxon.")] = "none",
    objective: Annotated[str, typer.Option(help="One or more of accuracy, stability, tokens.")] = "accuracy",
    storage: Annotated[
        str | None, typer.Option(help="A journal file or a database URL; else studies.journal in the results.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds of a trial, such as 100,101; else the protocol's.")] = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = 1,
    launcher: LauncherOption = "local",
    address: AddressOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = 0.0,
    results: ResultsOption = Path("results"),
    data_dir: DataOption = None,
    plugin: PluginOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the settings of one method, judged on validation; the same command goes on where it was."""
    from rlvr_bench.cli.views.grid import GridDisplay
    from rlvr_bench.cli.views.sweep import show_sweep
    from rlvr_bench.console.text import print_json
    from rlvr_bench.grid.sweep import run_sweep
    from rlvr_bench.launch.launcher import launcher_of
    from rlvr_bench.sweep.search import search_of

    settings, selection = experiment_of(experiment, None, seeds, data_dir, base, task, keys)
    settings.check_trackers()
    search = search_of(
        settings,
        method=method,
        trials=trials,
        sampler=sampler,
        pruner=pruner,
        objectives=tuple(name.strip() for name in objective.split(",")),
        selection=selection,
    )
    launch = launcher_of(launcher, address, cpus, gpus)
    with GridDisplay() as display:
        document, code = run_sweep(search, storage, results, workers, launch=launch, threads=threads, watcher=display)
    if as_json:
        print_json(document)
    else:
        show_sweep(document, method)
    raise typer.Exit(code)
