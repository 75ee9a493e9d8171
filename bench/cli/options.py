"""Options that several verbs take, and what their texts mean."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rlvr_bench.experiment.experiment import Experiment
    from rlvr_bench.experiment.origins import ResolvedValue
    from rlvr_bench.sweep.protocol_trials import Selection

STDOUT = "-"
"""The name of a file that stands for standard output."""


def _use_plugins(context: typer.Context, paths: list[str] | None) -> list[str] | None:
    """Read plug-in files before a verb runs, so that it knows their names."""
    if not context.resilient_parsing:
        from rlvr_bench.plugins.file import use

        for path in paths or ():
            use(Path(path))
    return paths


ExperimentArgument = Annotated[str, typer.Argument(help="A preset's name, or the path of a TOML file.")]
ResultsOption = Annotated[Path, typer.Option(help="Folder of run records.")]
OnlyOption = Annotated[str | None, typer.Option(help="Only the methods that match this glob.")]
SeedsOption = Annotated[str | None, typer.Option(help="Seeds instead of the experiment's own, such as 0,1,2.")]
DataOption = Annotated[Path | None, typer.Option(help="Folder of data-set files (also: RLVR_BENCH_DATA).")]
WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Cells at a time, by default one per processor.", show_default=False)
]
KeysOption = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the task as in TOML, such as --set levels=[3,4].")
]
BaseOption = Annotated[str | None, typer.Option(help="Train this base instead of the experiment's.")]
TaskOption = Annotated[
    str | None, typer.Option(help="Train on this task, at its defaults, instead of the experiment's.")
]
ChangesOption = Annotated[
    list[str] | None, typer.Option("--set", help="A key of the experiment as in TOML, such as --set signal.steps=4.")
]
PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        callback=_use_plugins,
        help="A Python file with methods, rewards, tasks or measurements of your own.",
        show_default=False,
    ),
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Processor threads of each cell.")]
ProcessesOption = Annotated[
    int, typer.Option(min=1, help="Processes that train each cell together (data parallel), with a GPU each if any.")
]
ShardOption = Annotated[
    bool, typer.Option("--shard", help="Shard a cell's model over its processes (FSDP2) instead of copying it to each.")
]
LauncherOption = Annotated[str, typer.Option(help="Where cells run: local, or ray (a cluster).")]
AddressOption = Annotated[
    str | None, typer.Option(help="With ray: a cluster's address; else $RAY_ADDRESS, else one on this machine.")
]
CpusOption = Annotated[
    float | None, typer.Option(min=0, help="With ray: processors for each cell; else one for each thread.")
]
GpusOption = Annotated[float, typer.Option(min=0, help="With ray: GPUs for each cell.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


def experiment_of(
    experiment: str,
    only: str | None,
    seeds: str | None,
    data_dir: Path | None,
    base: str | None,
    task: str | None,
    keys: list[str] | None,
) -> "tuple[Experiment, Selection]":
    """Return the experiment that a command names, changed and narrowed as it says.

    Raises:
        ExperimentError: there is no such experiment, or a change or a seed that makes no sense.
    """
    from rlvr_bench.experiment.changes import Changes, parsed_keys
    from rlvr_bench.experiment.experiment import load
    from rlvr_bench.sweep.protocol_trials import Selection

    changed = Changes(base, task, parsed_keys(keys or ()))
    return load(experiment, changed), Selection(only, _seed_list(seeds), data_dir)


def resolved_settings(
    experiment: str, selection: "Selection", base: str | None, task: str | None, keys: list[str] | None
) -> "list[ResolvedValue]":
    """Return every value that the experiment of `experiment_of` resolves to, with where each comes from."""
    from rlvr_bench.experiment.changes import Changes, parsed_keys
    from rlvr_bench.experiment.origins import resolved_values

    changes = Changes(base, task, parsed_keys(keys or ()))
    return resolved_values(experiment, changes, selection.seeds, selection.only or "*")


def given_settings(keys: list[str] | None) -> dict[str, Any]:
    """Return the settings that are written as TOML, `key=value`."""
    from rlvr_bench.experiment.changes import parsed_keys

    return dict(parsed_keys(keys or ()))


def seconds_of(option: str, text: str) -> float:
    """Return the seconds of a length of time such as 2h, 90m, 45s or 1h30m; raises ExperimentError for others."""
    from rlvr_bench.experiment.errors import ExperimentError

    parts = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text.strip())
    counts = parts.groups(default="0") if parts else ()
    seconds = sum(int(count) * size for count, size in zip(counts, (3600, 60, 1), strict=False))
    if not seconds:
        raise ExperimentError(f"{option} {text}: write a length of time such as 2h, 90m, 45s or 1h30m")
    return float(seconds)


def _seed_list(seeds: str | None) -> tuple[int, ...] | None:
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.experiment.seeds import distinct_seeds

    if seeds is None:
        return None
    try:
        return distinct_seeds(tuple(int(seed) for seed in seeds.split(",")))
    except ValueError as error:
        raise ExperimentError(f"--seeds {seeds}: {error}; write whole numbers with commas, such as 0,1,2") from error


def with_records(results: Path) -> Path:
    """Return a results folder; raises ExperimentError where it holds no records."""
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.record.store import has_records

    if not has_records(results):
        raise ExperimentError(f"{results} holds no run records; run an experiment, or name another folder")
    return results
