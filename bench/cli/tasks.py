"""Verbs about tasks: list, show, check, sample, grade."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rlvr_bench.cli.options import DataOption, JsonOption, KeysOption, PluginOption, given_settings

if TYPE_CHECKING:
    from rlvr_bench.tasks.grade import GradeReport

app = typer.Typer(help="Tasks: problems, prompts, verifiers.", no_args_is_help=True)

MAX_FINDINGS = 20
"""Rows of a table of findings; the first ones show what is wrong."""


@app.command("list")
def tasks_list(plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """List the tasks."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.tasks import preview
    from rlvr_bench.tasks import registry as task_registry

    rows = preview.listing()
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "description"])
    faults = task_registry.available()[1]
    say(*(f"not listed: {fault}" for fault in faults))
    raise typer.Exit(1 if faults else 0)


@app.command("show")
def tasks_show(name: str, plugin: PluginOption = None, as_json: JsonOption = False) -> None:
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
    plugin: PluginOption = None,
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
    plugin: PluginOption = None,
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


@app.command("grade")
def tasks_grade(
    name: str,
    file: Annotated[Path, typer.Argument(help="JSON lines, JSON, CSV or parquet; lm-eval's samples_*.jsonl.")],
    answer_field: Annotated[
        str | None, typer.Option(help="Field with the gold answer; else answer, gold, target or solution.")
    ] = None,
    completion_field: Annotated[
        str | None,
        typer.Option(help="Field with the completion; else completion, response, output, generation, resps, ..."),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Field with another grader's label: show where the verdicts differ.")
    ] = None,
    keys: KeysOption = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grade completions that you have by a task's verifier; exit code 1 if a row could not be used."""
    from rlvr_bench.console.text import print_json
    from rlvr_bench.tasks.grade import grade_file

    report = grade_file(file, {"name": name} | given_settings(keys), completion_field, answer_field, against)
    if as_json:
        document: dict[str, Any] = {"summary": report.summary(), "bad": report.bad, "verdicts": _verdict_rows(report)}
        print_json(document | ({} if against is None else {"confusion": report.confusion()}))
    else:
        _show_grades(report, against)
    raise typer.Exit(1 if report.bad else 0)


def _verdict_rows(report: "GradeReport") -> list[dict[str, Any]]:
    return [
        {
            "where": one.where,
            "correct": one.verdict.correct,
            "reason": one.verdict.reason,
            "parsed": one.verdict.parsed,
            "answer": one.answer,
            "label": one.label,
            "seconds": one.seconds,
            "completion": one.completion,
        }
        for one in report.graded
    ]


def _show_grades(report: "GradeReport", against: str | None) -> None:
    """Print the summary and the first completions that are not accepted; beside another grader, those that differ."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import say, tell

    summary = report.summary()
    say(*report.bad[:MAX_FINDINGS])
    tell(f"{summary['completions']} completions in {summary['seconds']:.1f} s, {summary['bad_rows']} bad rows")
    if report.passed_over:
        tell(f"{report.passed_over} rows of lm-eval's further filters hold the same completions and were passed over.")
    if report.graded:
        shares = ("correct", "wrong", "unparsed", "truncated", "error")
        tell(", ".join(f"{reason} {100 * summary[reason]:.2f} %" for reason in shares))
    if report.seconds_lost:
        tell(f"{report.seconds_lost:.1f} s went to comparisons that ended in no verdict.")
    if against is not None:
        print_table(report.confusion(), ["verdict", "label right", "label wrong"])
    rows = [
        row | {"where": str(row["where"]).rpartition("/")[2], "completion": row["completion"][-120:]}
        for one, row in zip(report.graded, _verdict_rows(report), strict=True)
        if (one.disagrees if against is not None else not one.verdict.correct)
    ]
    if rows:
        tell(f"{len(rows)} verdicts differ from {against}:" if against is not None else f"{len(rows)} not accepted:")
        columns = ["where", "reason", "parsed", "answer", *(["label"] if against is not None else []), "completion"]
        print_table(rows[:MAX_FINDINGS], columns)
    if len(rows) > MAX_FINDINGS:
        tell(f"... and {len(rows) - MAX_FINDINGS} more, which --json lists.")
