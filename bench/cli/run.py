"""`rlvr-bench run`: train and score what is not done yet."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlvr_bench.cli.optional_port import OptionalPort
from rlvr_bench.cli.options import (
    AddressOption,
    BaseOption,
    ChangesOption,
    CpusOption,
    DataOption,
    ExperimentArgument,
    GpusOption,
    LauncherOption,
    OnlyOption,
    PluginOption,
    ProcessesOption,
    ResultsOption,
    SeedsOption,
    ShardOption,
    TaskOption,
    ThreadsOption,
    WorkersOption,
    experiment_of,
    resolved_settings,
    seconds_of,
)

if TYPE_CHECKING:
    from rlvr_bench.grid.run import Share

app = typer.Typer()


@app.command(cls=OptionalPort)
def run(
    experiment: ExperimentArgument,
    only: OnlyOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = 1,
    processes: ProcessesOption = 1,
    shard: ShardOption = False,
    launcher: LauncherOption = "local",
    address: AddressOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = 0.0,
    results: ResultsOption = Path("results"),
    reference: Annotated[Path | None, typer.Option(help="Compare with the records of this folder.")] = None,
    stale: Annotated[bool, typer.Option("--stale", help="Also run again what is from another environment.")] = False,
    until_text: Annotated[
        str | None,
        typer.Option(
            "--until",
            help="Add seeds until all rows are separated, the best is known, or to a look: separated, best or look:N.",
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Start no cell after so long, such as 2h, 90m or 1h30m."),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="A journal file or a database URL by which several machines share the trials of a protocol."),
    ] = None,
    report: Annotated[bool, typer.Option("--report", help="Also write report.html of the results folder.")] = False,
    serve: Annotated[
        int | None,
        typer.Option(
            "--serve",
            min=0,
            max=65535,
            help="Serve the report page to this machine alone, renewed as cells end; a free port if none is named.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show every resolved setting, where it comes from and what would run; stop."),
    ] = False,
    data_dir: DataOption = None,
    plugin: PluginOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
) -> None:
    """Train and score the cells of an experiment that are not done yet, then show its leaderboard."""
    settings, selection = experiment_of(experiment, only, seeds, data_dir, base, task, keys)
    if dry_run:
        from rlvr_bench.cli.plan import show_plan
        from rlvr_bench.cli.views.settings import show_settings

        settings.check_trackers()
        show_settings(resolved_settings(experiment, selection, base, task, keys))
        show_plan(settings, selection, results, workers)
    from rlvr_bench.cli.report import write_page
    from rlvr_bench.cli.views.differences import show_differences
    from rlvr_bench.cli.views.leaderboard import show
    from rlvr_bench.cli.views.served import grid_display
    from rlvr_bench.console.text import say
    from rlvr_bench.grid.run import run_experiment
    from rlvr_bench.grid.until import goal_of, until
    from rlvr_bench.launch.launcher import launcher_of
    from rlvr_bench.sweep.phases import Phases

    launch = launcher_of(launcher, address, cpus, gpus, processes, shard)
    settings.check_processes(processes)
    if shard:
        settings.check_sharding(only)
    settings.check_trackers()
    goal = None if until_text is None else goal_of(until_text)
    seconds = None if budget is None else seconds_of("--budget", budget)
    phases = Phases(settings, selection)
    with grid_display(results, serve) as display:
        done = run_experiment(
            phases if goal is None else until(phases, goal, results),
            results,
            workers,
            launch=launch,
            threads=threads,
            stale=stale,
            reference=reference,
            budget=seconds,
            share=None if storage is None else _share(storage, results),
            watcher=display,
        )
    show(done.rows)
    if done.differences is not None:
        show_differences(done.differences)
    if report:
        write_page(results)
    if done.message:
        say(done.message)
    raise typer.Exit(done.exit_code)


def _share(storage: str, results: Path) -> "Share":
    from rlvr_bench.sweep.shared_trials import SharedTrials

    return lambda study, cells: SharedTrials(study, cells, storage, results)
