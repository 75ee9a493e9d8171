"""Verbs that ask a model something without training one for the leaderboard: geometry, think, contamination."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rlvr_bench.cli.options import DataOption, JsonOption, KeysOption, ResultsOption, given_settings

app = typer.Typer()


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
    from rlvr_bench.cli.geometry_report import report_on
    from rlvr_bench.geometry.settings import GeometrySettings

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
    from rlvr_bench.thinking import verb

    asked = verb.Asked(model, {"name": task} | given_settings(keys), data_dir, _nested(given_settings(options)))
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
    from rlvr_bench.cli.contamination_probe import COLUMNS, as_rows, probe
    from rlvr_bench.console.tables import print_json, print_table

    found = probe(base, {"name": task} | given_settings(keys), split, count, data_dir)  # type: ignore[arg-type]
    if as_json:
        print_json(found)
    else:
        print_table(as_rows(found), COLUMNS)


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
    return {"name": name} | given_settings(keys)
