"""`rlvr-bench leaderboard`: the table of the records, a part of it, or what differs from another one."""

from collections.abc import Sequence
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlvr_bench.cli.options import JsonOption, ResultsOption, with_records

if TYPE_CHECKING:
    from rlvr_bench.leaderboard.columns import Row
    from rlvr_bench.leaderboard.standings import Standing

app = typer.Typer()

IN_PRINT = (
    "base", "task", "signal", "reward", "method", "rank_group",
    "accuracy_sound", "accuracy_sound_lo", "accuracy_sound_hi", "broken", "may_be_best", "accuracy", "gain", "seeds",
)  # fmt: skip
"""Columns of a Markdown or LaTeX table unless others are asked for."""


class Format(StrEnum):
    """What a program reads instead of the terminal's table."""

    md = "md"
    latex = "latex"
    csv = "csv"
    json = "json"


@app.command()
def leaderboard(
    results: ResultsOption = Path("results"),
    method: Annotated[str | None, typer.Option(help="Only the methods that match this glob.")] = None,
    base: Annotated[str | None, typer.Option(help="Only the bases that match this glob.")] = None,
    task: Annotated[str | None, typer.Option(help="Only the tasks that match this glob.")] = None,
    comparison: Annotated[str | None, typer.Option(help="Only comparisons with this in their name.")] = None,
    columns: Annotated[
        str | None, typer.Option(help="These columns, such as method,accuracy,gain; docs and README list all.")
    ] = None,
    format: Annotated[Format | None, typer.Option(help="Print Markdown, LaTeX, CSV or JSON on stdout.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Derive leaderboard.csv again from all records.")] = False,
    diff: Annotated[
        str | None,
        typer.Option("--diff", metavar="OLD", help="Say what changed: a CSV file, results folder, date, commit."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the leaderboard that the records give, or what differs from another one; writes only with --write."""
    from rlvr_bench.leaderboard.history import earlier

    selection = _columns(columns)
    old = None if diff is None else earlier(with_records(results), diff)
    filters = {"method": method, "base": base, "task": task, "comparison": comparison and f"*{comparison}*"}
    standings_of_all, whole = _standings(with_records(results), write)
    standings = _matching(standings_of_all, filters)
    if old is not None:
        _show_differences(standings, _matching(old, filters), as_json or format is Format.json)
    else:
        _show([standing.row for standing in standings], Format.json if as_json else format, selection)
    raise typer.Exit(0 if whole else 1)


def _standings(results: Path, write: bool) -> "tuple[list[Standing], bool]":
    """Return the standings of the readable records, and whether those are all; what is wrong with others is printed."""
    from rlvr_bench.console.text import say
    from rlvr_bench.grid.run import renew_leaderboard
    from rlvr_bench.leaderboard.standings import leaderboard as derive
    from rlvr_bench.leaderboard.standings import step_reader
    from rlvr_bench.record import store
    from rlvr_bench.record.lock import results_lock

    if write:
        with results_lock(results):
            renewed = renew_leaderboard(results, say)
        return renewed.standings, renewed.whole
    records, problems = store.load_all(results)
    say(*map(str, problems))
    return derive(records, step_reader(results)), not problems


def _matching(standings: "Sequence[Standing]", filters: dict[str, str | None]) -> "list[Standing]":
    globs = {name: glob for name, glob in filters.items() if glob is not None}
    return [each for each in standings if all(fnmatch(str(each.row[name]), glob) for name, glob in globs.items())]


def _columns(written: str | None) -> list[str] | None:
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.leaderboard.columns import BY_NAME
    from rlvr_bench.plugins.suggestion import did_you_mean

    if written is None:
        return None
    names = [name.strip() for name in written.split(",")]
    if unknown := [name for name in names if name not in BY_NAME]:
        raise ExperimentError(f"--columns: there is no column {unknown[0]!r}{did_you_mean(unknown[0], BY_NAME)}")
    return names


def _show_differences(standings: "list[Standing]", old: "list[Standing]", as_json: bool) -> None:
    from rlvr_bench.cli.views.differences import show_differences
    from rlvr_bench.console.text import print_json
    from rlvr_bench.leaderboard.differences import as_document, compare

    differences = compare(standings, old)
    if as_json:
        print_json(as_document(differences))
    else:
        show_differences(differences, only_changes=True)


def _show(rows: "list[Row]", format: Format | None, columns: list[str] | None) -> None:
    from rlvr_bench.cli.views.leaderboard import show
    from rlvr_bench.console.formats import as_latex, as_markdown
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say, tell
    from rlvr_bench.leaderboard.columns import BY_NAME, json_row
    from rlvr_bench.leaderboard.file import to_csv

    match format:
        case Format.json:
            selection = columns or list(BY_NAME)
            print_json([{name: value for name, value in json_row(row).items() if name in selection} for row in rows])
        case Format.csv:
            tell(to_csv(rows, [BY_NAME[name] for name in columns or BY_NAME]).removesuffix("\n"))
        case Format.md:
            tell(as_markdown(rows, columns or IN_PRINT).removesuffix("\n"))
        case Format.latex:
            tell(as_latex(rows, columns or IN_PRINT).removesuffix("\n"))
        case None if not rows:
            say("no row matches")
        case None if columns:
            print_table(rows, columns)
        case None:
            show(rows)
