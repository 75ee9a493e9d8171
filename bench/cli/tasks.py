"""Verbs about tasks: list, show, check, sample."""

from typing import Annotated

import typer

from rlvr_bench.cli.options import DataOption, JsonOption, KeysOption, given_settings

app = typer.Typer(help="Tasks: problems, prompts, verifiers.", no_args_is_help=True)

MAX_FINDINGS = 20
"""Rows of a table of findings; the first ones show what is wrong."""


@app.command("list")
def tasks_list(as_json: JsonOption = False) -> None:
    """List the tasks."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.tasks import preview
    from rlvr_bench.tasks import registry as task_registry

    rows = preview.listing()
    for fault in task_registry.available()[1]:
        say(f"not listed: {fault}")
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "description"])


@app.command("show")
def tasks_show(name: str, as_json: JsonOption = False) -> None:
    """Show a task's levels, settings, prompt styles, and the files and fields that it looks for."""
    from rlvr_bench.console.tables import print_entry
    from rlvr_bench.console.text import print_json
    from rlvr_bench.tasks import preview

    entry = preview.details(name)
    if as_json:
        print_json(entry)
    else:
        print_entry(entry, lists=["settings"])


@app.command("check")
def tasks_check(
    name: str,
    to_train_on: Annotated[
        bool, typer.Option("--train", help="The task is to be trained on: no train problems are a fault.")
    ] = False,
    data_dir: DataOption = None,
    keys: KeysOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a task's verifier accepts every gold answer in every form, and no changed one; name what does not."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, tell
    from rlvr_bench.tasks import preview
    from rlvr_bench.tasks import registry as task_registry
    from rlvr_bench.tasks.check import check

    report = check(task_registry.create({"name": name} | given_settings(keys), data_dir), to_train_on)
    if as_json:
        print_json(preview.check_entry(report))
    else:
        sizes = ", ".join(f"{split} {size}" for split, size in report.sizes.items())
        tell(f"{name}: {sizes}: {'passed' if report.passed else 'failed'}")
        tell("Tried: " + ", ".join(f"{what} {count}" for what, count in report.tried.items()))
        for sentence in [*report.faults(), *report.notes()]:
            tell(sentence)
        rows = preview.check_rows(report)
        if rows:
            print_table(rows[:MAX_FINDINGS], ["counts", "problem", "fault", "answer", "completion"])
        if len(rows) > MAX_FINDINGS:
            tell(f"... and {len(rows) - MAX_FINDINGS} more, which --json lists.")
    raise typer.Exit(0 if report.passed else 1)


@app.command("sample")
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
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json
    from rlvr_bench.tasks import preview
    from rlvr_bench.tasks import registry as task_registry

    task = task_registry.create({"name": name} | given_settings(keys), data_dir)
    rows = preview.samples(task, split, count, style)  # type: ignore[arg-type]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "prompt", "answer", "level", "family"])
