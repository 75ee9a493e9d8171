"""The command line: one function per verb; an error becomes one sentence and an exit code.

Exit codes: 0 all asked-for cells are done, 1 some cell failed or is invalid, 2 the input is wrong, 130 interrupted.
Heavy imports live inside the verbs, so that --help answers at once.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bench.experiment.experiment import Experiment
    from bench.experiment.stages import Selection

DEBUG = "--debug"

app = typer.Typer(
    help="Which fine-tuning method should I use under RL with verifiable rewards, and why?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
methods_app = typer.Typer(help="Fine-tuning methods.", no_args_is_help=True)
tasks_app = typer.Typer(help="Tasks: problems, prompts, verifiers.", no_args_is_help=True)
models_app = typer.Typer(help="Base models that need no hub.", no_args_is_help=True)
app.add_typer(methods_app, name="methods")
app.add_typer(tasks_app, name="tasks")
app.add_typer(models_app, name="models")
results_app = typer.Typer(help="A folder of results.", no_args_is_help=True)
app.add_typer(results_app, name="results")

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
ThreadsOption = Annotated[int, typer.Option(min=1, help="Processor threads of each cell.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@app.callback()
def options(debug: Annotated[bool, typer.Option(DEBUG, help="Show the traceback of an error.")] = False) -> None:
    """Options of every verb."""


@app.command()
def run(
    experiment: ExperimentArgument,
    only: OnlyOption = None,
    seeds: SeedsOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = 1,
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
    asked = _asked(experiment, only, seeds, data_dir, base, task, keys)
    if dry_run:
        _show_plan(*asked, results, workers)
        return
    from bench.launch.experiment_run import run_experiment
    from bench.launch.local import cores
    from bench.launch.stages import stages

    code = run_experiment(
        stages(*asked), results, workers or cores(), threads=threads, stale=stale, reference=reference
    )
    raise typer.Exit(code)


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
    _show_plan(*_asked(experiment, only, seeds, data_dir, base, task, keys), results, workers, as_json)


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
    results: ResultsOption = Path("results"),
    data_dir: DataOption = None,
    base: BaseOption = None,
    task: TaskOption = None,
    keys: ChangesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search the settings of one method, judged on validation; the same command goes on where it was."""
    from bench.launch.local import cores
    from bench.launch.search import search_of
    from bench.launch.sweep_run import run_sweep
    from bench.show import print_json
    from bench.sweep_table import show_sweep

    chosen, selection = _asked(experiment, None, seeds, data_dir, base, task, keys)
    search = search_of(
        chosen,
        method=method,
        trials=trials,
        sampler=sampler,
        pruner=pruner,
        objectives=tuple(name.strip() for name in objective.split(",")),
        selection=selection,
    )
    document, code = run_sweep(search, storage, results, workers or cores(), threads)
    if as_json:
        print_json(document)
    else:
        show_sweep(document)
    raise typer.Exit(code)


@app.command()
def leaderboard(
    results: ResultsOption = Path("results"),
    diff: Annotated[
        str | None,
        typer.Option("--diff", metavar="OLD", help="Say what changed: a CSV file, results folder, date, commit."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Derive leaderboard.csv from the run records and show the same table, or what differs from another one."""
    from bench.experiment.strict import ExperimentError
    from bench.launch.experiment_run import renew_leaderboard
    from bench.record.columns import json_row
    from bench.record.compare import as_document, compare
    from bench.record.history import earlier
    from bench.record.lock import results_lock
    from bench.record.table import show, show_differences
    from bench.show import print_json

    if not (results / "runs").is_dir():
        raise ExperimentError(f"{results} holds no run records; run an experiment, or name another folder")
    old = None if diff is None else earlier(results, diff)
    with results_lock(results):
        standings = renew_leaderboard(results)
    rows = [standing.row for standing in standings]
    if old is not None:
        differences = compare(standings, old)
        print_json(as_document(differences)) if as_json else show_differences(differences)
    elif as_json:
        print_json([json_row(row) for row in rows])
    else:
        show(rows)


@app.command()
def report(results: ResultsOption = Path("results")) -> None:
    """Write report.html: what the records say, as one page that opens from a file without a network."""
    from bench.experiment.strict import ExperimentError
    from bench.report.page import write_report

    if not (results / "runs").is_dir():
        raise ExperimentError(f"{results} holds no run records; run an experiment, or name another folder")
    path, problems = write_report(results)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(path)


@app.command()
def findings(
    results: ResultsOption = Path("results"),
    hypotheses: Annotated[
        Path | None, typer.Option(help="Folder of claims (TOML); else hypotheses/ in the results folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the published claims on the run records: derive findings.json and findings.md, and show the verdicts."""
    from bench.findings import verb
    from bench.show import print_json, print_table

    entries = verb.findings(results, hypotheses)
    if as_json:
        print_json(entries)
        return
    print_table(verb.as_rows(entries), verb.COLUMNS)
    print(verb.written(results), file=sys.stderr)


@app.command()
def geometry(
    base: Annotated[str, typer.Argument(help="A whole checkpoint: organism, packaged model, folder or hub id.")],
    tuned: Annotated[str, typer.Argument(help="The same architecture after training, or an adapter of BASE.")],
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is stdout.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a line per tensor.")] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw pictures into this folder.")] = None,
    k: Annotated[
        int | None, typer.Option("-k", help="Principal directions; else 512, at most a quarter of the side.")
    ] = None,
    mask_rank: Annotated[
        int | None, typer.Option(help="Rank behind the principal mask; else 64, at most a quarter of the side.")
    ] = None,
    mask_density: Annotated[float, typer.Option(help="Share of the entries in a mask.")] = 0.5,
    draws: Annotated[int, typer.Option(help="Null updates of each kind; 0 leaves the nulls out.")] = 2,
) -> None:
    """Say what training did to the weights: sparsity in bf16, spectrum, angles, masks, each beside null updates."""
    from bench.geometry.settings import GeometrySettings
    from bench.geometry.verb import report_on

    settings = GeometrySettings(k=k, mask_rank=mask_rank, mask_density=mask_density, draws=draws)
    report_on(base, tuned, settings, json_file=json_file, csv_file=csv_file, pictures=pictures)


@app.command()
def think(
    model: Annotated[str, typer.Argument(help="Organism, packaged model, folder or hub id.")],
    task: Annotated[str, typer.Option(help="The task that is asked.")],
    count: Annotated[int, typer.Option("-n", min=1, help="Traces per problem.")] = 16,
    policy: Annotated[
        str,
        typer.Option(
            help="full, keep:count=4,at=8, halve:every=4, drop:count=2,every=4, threshold:least=0.3,every=4,"
            " deepconf:warm_up=4,eta=0.5."
        ),
    ] = "halve",
    verifier: Annotated[
        str | None,
        typer.Option(help="What traces are scored by: otv (the default), confidence-tail, ..., none."),
    ] = None,
    vote: Annotated[str, typer.Option(help="majority, weighted, log-odds, best-of-n, filter.")] = "weighted",
    problems: Annotated[int, typer.Option(min=1, help="How many test problems.")] = 8,
    risk: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Withhold answers whose votes were wrong more often on validation."),
    ] = None,
    keys: KeysOption = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", help="A setting of traces or verifier, such as --option traces.max_new_tokens=48."),
    ] = None,
    train: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compare verifiers; writes RESULTS/verify/NAME.json.")
    ] = None,
    verifiers: Annotated[str | None, typer.Option(help="With --train: names, by default all.")] = None,
    other_task: Annotated[
        list[str] | None, typer.Option(help="With --train: a task for transfer, such as 'chain levels=[5]'.")
    ] = None,
    other_model: Annotated[list[str] | None, typer.Option(help="With --train: a model for transfer.")] = None,
    live: Annotated[
        list[str] | None, typer.Option(help="With --train: a policy that runs live; by default nine of all kinds.")
    ] = None,
    results: ResultsOption = Path("results"),
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="With --train: draw into this folder.")] = None,
    parquet: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every trace.")] = None,
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is stdout.")] = None,
    data_dir: DataOption = None,
) -> None:
    """Answer problems with several traces that one probe token watches over; train and compare what watches."""
    from bench.verify import verb

    asked = verb.Asked(model, {"name": task} | _settings(keys), data_dir, _nested(_settings(options)))
    if train is None:
        verb.think(
            asked,
            size=count,
            policy=policy,
            verifier=verifier,
            aggregator=vote,
            problems=problems,
            risk=risk,
            json_file=json_file,
            parquet=parquet,
        )
        return
    verb.train(
        asked,
        train,
        verifiers=verifiers.split(",") if verifiers else (),
        other_tasks=[_task_settings(text) for text in other_task or ()],
        other_models=other_model or (),
        policies=live or (),
        results=results,
        pictures=pictures,
    )


@app.command()
def contamination(
    base: Annotated[str, typer.Argument(help="A base model: organism, packaged model, folder or hub id.")],
    task: Annotated[str, typer.Option(help="The task whose problems it may have read.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    count: Annotated[int | None, typer.Option("-n", min=1, help="Only the first so many problems.")] = None,
    data_dir: DataOption = None,
    keys: KeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Probe a model for memory of a task's problems: questions cut short, and perplexities."""
    from bench.contamination_check import COLUMNS, as_rows, probe
    from bench.show import print_json, print_table

    found = probe(base, {"name": task} | _settings(keys), split, count, data_dir)  # type: ignore[arg-type]
    if as_json:
        print_json(found)
    else:
        print_table(as_rows(found), COLUMNS)


@methods_app.command("list")
def methods_list(
    base: Annotated[str, typer.Option(help="The base on which trainable parameters are counted.")] = "organism-steps",
    counts: Annotated[
        bool, typer.Option("--counts", help="Attach the methods whose count the shapes of the base do not tell.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the registered methods, and what each trains at its defaults."""
    from bench.method_table import COLUMNS, as_text, listing
    from bench.show import print_json, print_table

    rows = listing(base, counts)
    if as_json:
        print_json(rows)
    else:
        print_table([as_text(row) for row in rows], COLUMNS)


@methods_app.command("show")
def methods_show(name: str, as_json: JsonOption = False) -> None:
    """Show a method's formula, source, dial, learning rates and settings with their defaults and why they are that."""
    import methods.registry
    from bench.show import print_entry, print_json

    entry = methods.registry.describe(name).model_dump(mode="json")
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, lists=["fields"])


@methods_app.command("check")
def methods_check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Check all registered methods.")] = False,
    keys: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the method as in TOML, such as --set rank=4.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove on tiny models that a method does what every method must: one line per check."""
    from bench.experiment.strict import ExperimentError
    from bench.method_check import check, configs, every_config

    if every == bool(names) or (every and keys):
        raise ExperimentError("methods check: name the methods, with --set if you like, or give --all")
    chosen, without = every_config() if every else (configs(names or [], _settings(keys)), [])
    for name in without:
        print(f"not checked: {name} needs settings, see methods show {name}", file=sys.stderr)
    raise typer.Exit(0 if check(chosen, brief=every, as_json=as_json) else 1)


@methods_app.command("cost")
def methods_cost(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Measure all registered methods.")] = False,
    base: Annotated[str, typer.Option(help="The base model to measure on.")] = "organism-steps",
    pairs: Annotated[int, typer.Option(min=1, help="Steps of the method and of full fine-tuning to compare.")] = 15,
    as_json: JsonOption = False,
) -> None:
    """Measure one optimizer step of a method beside full fine-tuning's: time, optimizer state, memory; as CSV."""
    import methods.registry
    from bench.experiment.strict import ExperimentError
    from bench.method_cost import report

    if every == bool(names):
        raise ExperimentError("methods cost: name the methods, or give --all")
    raise typer.Exit(0 if report(names or methods.registry.names(), base, pairs, as_json) else 1)


@tasks_app.command("list")
def tasks_list(as_json: JsonOption = False) -> None:
    """List the tasks."""
    from bench.show import print_json, print_table
    from tasks import preview

    rows = preview.listing()
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "description"])


@tasks_app.command("show")
def tasks_show(name: str, as_json: JsonOption = False) -> None:
    """Show a task's levels, settings and prompt styles."""
    from bench.show import print_entry, print_json
    from tasks import preview

    entry = preview.details(name)
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, lists=["settings"])


@tasks_app.command("check")
def tasks_check(name: str, data_dir: DataOption = None, keys: KeysOption = None) -> None:
    """Prove that a task's verifier accepts every gold answer and rejects a changed one, and that no split overlaps."""
    import tasks.registry
    from tasks.check import check

    report = check(tasks.registry.create({"name": name} | _settings(keys), data_dir))
    sizes = ", ".join(f"{split} {size}" for split, size in report.sizes.items())
    print(f"{name}: {sizes}: {'passed' if report.passed else 'failed'}")
    for fault in report.faults():
        print(fault)
    raise typer.Exit(0 if report.passed else 1)


@tasks_app.command("sample")
def tasks_sample(
    name: str,
    count: Annotated[int, typer.Option("-n", min=1, help="How many problems.")] = 5,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "train",
    style: Annotated[str, typer.Option(help="Prompt style.")] = "task",
    data_dir: DataOption = None,
    keys: KeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show some problems of a task with their prompts."""
    import tasks.registry
    from bench.show import print_json, print_table
    from tasks import preview

    task = tasks.registry.create({"name": name} | _settings(keys), data_dir)
    rows = preview.samples(task, split, count, style)  # type: ignore[arg-type]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "family", "level", "prompt", "answer"])


@models_app.command("list")
def models_list(as_json: JsonOption = False) -> None:
    """List the base models that need no hub."""
    from bench.models.catalog import catalog
    from bench.show import print_json, print_table

    rows = [entry.model_dump(mode="json") for entry in catalog()]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "kind", "parameters", "description"])


@models_app.command("show")
def models_show(name: str, as_json: JsonOption = False) -> None:
    """Show how an organism was made and what it measured."""
    from bench.models.catalog import details
    from bench.show import print_entry, print_json

    entry = details(name)
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, lists=["scores"] if "scores" in entry else [])


@models_app.command("build")
def models_build(
    name: str,
    folder: Annotated[
        Path | None, typer.Option(help="Where to build it, by default ./NAME.", show_default=False)
    ] = None,
) -> None:
    """Pre-train an organism from its recipe; an interrupted build goes on where it was."""
    from bench.models.organisms.build import build
    from bench.models.organisms.progress import Reporter

    target = folder or Path(name)
    with Reporter() as reporter:
        build(name, target, reporter)
    print(target)


@app.command()
def rescore(
    results: ResultsOption = Path("results"),
    write: Annotated[bool, typer.Option("--write", help="Put the new scores into records and leaderboard.")] = False,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grade stored samples again with today's verifiers and say what changes; no model runs."""
    from bench.audit.verb import rescore_folder, show_rescoring
    from bench.show import print_json

    done = rescore_folder(results, write=write, data_dir=data_dir)
    if as_json:
        print_json(done)
    else:
        show_rescoring(done)
    raise typer.Exit(1 if done["not_graded"] else 0)


@results_app.command("check")
def results_check(results: ResultsOption = Path("results")) -> None:
    """Prove that records are consistent and in their place, and that the derived files are what they give."""
    from bench.audit.verb import faults_of

    faults = faults_of(results)
    for fault in faults:
        print(fault)
    print(f"{results}: {len(faults)} fault{'s' * (len(faults) > 1)}" if faults else f"{results}: sound")
    raise typer.Exit(1 if faults else 0)


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
    print(f"rlvr-bench: {sentence}", file=sys.stderr)
    sys.exit(code)


def _sentence(error: Exception) -> tuple[str, int]:
    """Return what to say of an error, and the exit code."""
    from bench.experiment.strict import ExperimentError
    from bench.findings.errors import FindingsError
    from bench.geometry.errors import GeometryError
    from bench.models.errors import ModelError
    from bench.record.errors import RecordError, ResultsInUseError
    from bench.verify.errors import VerifyError
    from methods.errors import MethodError
    from tasks.errors import TaskError

    wrong = (ExperimentError, FindingsError, GeometryError, ModelError, MethodError, TaskError, ResultsInUseError)
    if isinstance(error, (*wrong, VerifyError)):
        return str(error), 2
    if isinstance(error, RecordError):
        return str(error), 1
    return f"internal error: {type(error).__name__}: {error}; run it again with --debug and report what it says", 1


def _asked(
    experiment: str,
    only: str | None,
    seeds: str | None,
    data_dir: Path | None,
    base: str | None,
    task: str | None,
    keys: list[str] | None,
) -> "tuple[Experiment, Selection]":
    from bench.experiment.changes import Changes, parsed_keys
    from bench.experiment.experiment import load
    from bench.experiment.stages import Selection

    changed = Changes(base, task, parsed_keys(keys or ()))
    return load(experiment, changed), Selection(only, _seed_list(seeds), data_dir)


def _settings(keys: list[str] | None) -> dict[str, Any]:
    """Return the settings that are written as TOML, `key=value`."""
    from bench.experiment.changes import parsed_keys

    return dict(parsed_keys(keys or ()))


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    """Return {"a.b": 1} as {"a": {"b": 1}}."""
    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *tables, last = key.split(".")
        table = nested
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value
    return nested


def _task_settings(text: str) -> dict[str, Any]:
    """Return the settings of a task written as its name and keys with spaces between: "chain levels=[5]"."""
    name, *keys = text.split()
    return {"name": name} | _settings(keys)


def _seed_list(seeds: str | None) -> tuple[int, ...] | None:
    from bench.experiment.experiment import distinct_seeds
    from bench.experiment.strict import ExperimentError

    if seeds is None:
        return None
    try:
        return distinct_seeds(tuple(int(seed) for seed in seeds.split(",")))
    except ValueError as error:
        raise ExperimentError(f"--seeds {seeds}: {error}; write whole numbers with commas, such as 0,1,2") from error


def _show_plan(
    experiment: "Experiment", selection: "Selection", results: Path, workers: int | None, as_json: bool = False
) -> None:
    from dataclasses import replace

    from bench.launch.local import cores
    from bench.launch.plan import as_document, by_method
    from bench.launch.stages import plan_stages
    from bench.show import print_json, print_table

    found = plan_stages(experiment, replace(selection, fetch=False), results)
    for problem in found.problems:
        print(problem, file=sys.stderr)
    document = as_document(found.cells, workers or cores(), found.records)
    if as_json:
        print_json(document)
        return
    print_table(by_method(found.cells), ["method", "comparison", "learning_rate", "seeds", "state", "why"])
    print(document["summary"])
