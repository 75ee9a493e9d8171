"""Verbs that train: run, plan, sweep."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    OnlyOption,
    ProcessesOption,
    ResultsOption,
    SeedsOption,
    TaskOption,
    ThreadsOption,
    WorkersOption,
    asked,
)

if TYPE_CHECKING:
    from rlvr_bench.experiment.experiment import Experiment
    from rlvr_bench.sweep.protocol_trials import Selection

app = typer.Typer()


@app.command()
def run(
    experiment: ExperimentArgument,
    only: OnlyOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = 1,
    processes: ProcessesOption = 1,
    launcher: LauncherOption = "local",
    address: AddressOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = 0.0,
    results: ResultsOption = Path("results"),
    reference: Annotated[Path | None, typer.Option(help="Compare with the records of this folder.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Also run again what is from another environment.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and stop.")] = False,
    data_dir: DataOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
) -> None:
    """Train and score the cells of an experiment that are not done yet, then show its leaderboard."""
    found = asked(experiment, only, seeds, data_dir, base, task, keys)
    if dry_run:
        _show_plan(*found, results, workers)
        return
    from rlvr_bench.cli.leaderboard_table import show, show_differences
    from rlvr_bench.grid.run import run_experiment
    from rlvr_bench.launch.launcher import launcher_of
    from rlvr_bench.sweep.phases import phases

    launch = launcher_of(launcher, address, cpus, gpus, processes)
    found[0].check_processes(processes)
    done = run_experiment(
        phases(*found), results, workers, launch=launch, threads=threads, stale=stale, reference=reference
    )
    show(done.rows)
    if done.differences is not None:
        show_differences(done.differences)
    if done.message:
        print(done.message, file=sys.stderr)
    raise typer.Exit(done.exit_code)


@app.command()
def plan(
    experiment: ExperimentArgument,
    only: OnlyOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    results: ResultsOption = Path("results"),
    data_dir: DataOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which cells are done, missing or stale and why, and what the rest will take."""
    _show_plan(*asked(experiment, only, seeds, data_dir, base, task, keys), results, workers, as_json)


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
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the settings of one method, judged on validation; the same command goes on where it was."""
    from rlvr_bench.cli.sweep_table import show_sweep
    from rlvr_bench.console.tables import print_json
    from rlvr_bench.grid.sweep import run_sweep
    from rlvr_bench.launch.launcher import launcher_of
    from rlvr_bench.sweep.search import search_of

    chosen, selection = asked(experiment, None, seeds, data_dir, base, task, keys)
    search = search_of(
        chosen,
        method=method,
        trials=trials,
        sampler=sampler,
        pruner=pruner,
        objectives=tuple(name.strip() for name in objective.split(",")),
        selection=selection,
    )
    launch = launcher_of(launcher, address, cpus, gpus)
    document, code = run_sweep(search, storage, results, workers, launch=launch, threads=threads)
    if as_json:
        print_json(document)
    else:
        show_sweep(document)
    raise typer.Exit(code)


def _show_plan(
    experiment: "Experiment", selection: "Selection", results: Path, workers: int | None, as_json: bool = False
) -> None:
    from dataclasses import replace

    os.environ["HF_HUB_OFFLINE"] = "1"  # a plan fetches nothing, and does not wait for a hub that is out of reach

    from rlvr_bench.console.tables import print_json, print_table
    from rlvr_bench.launch.local import cores
    from rlvr_bench.plan.states import as_document, by_comparison
    from rlvr_bench.sweep.phases import plan_phases

    found = plan_phases(experiment, replace(selection, fetch=False), results)
    for problem in found.problems:
        print(problem, file=sys.stderr)
    document = as_document(found.cells, workers or cores(), found.records)
    if as_json:
        print_json(document)
        return
    for comparison, lines in by_comparison(found.cells).items():
        print(comparison)
        print_table(lines, [name for name in lines[0] if any(line[name] for line in lines)])
        print()
    print(document["summary"])
