"""Verbs that read a folder of results: leaderboard, report, findings, rescore, results check."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import DataOption, JsonOption, ResultsOption

app = typer.Typer()


results_app = typer.Typer(help="A folder of results.", no_args_is_help=True)


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
    from rlvr_bench.cli.leaderboard_table import show, show_differences
    from rlvr_bench.console.tables import print_json
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.grid.run import renew_leaderboard
    from rlvr_bench.leaderboard.columns import json_row
    from rlvr_bench.leaderboard.differences import as_document, compare
    from rlvr_bench.leaderboard.history import earlier
    from rlvr_bench.record.lock import results_lock

    if not (results / "runs").is_dir():
        raise ExperimentError(f"{results} holds no run records; run an experiment, or name another folder")
    old = None if diff is None else earlier(results, diff)
    with results_lock(results):
        standings = renew_leaderboard(results)
    rows = [standing.row for standing in standings]
    if old is not None:
        differences = compare(standings, old)
        print_json(as_document(differences)) if as_json else show_differences(differences, only_changes=True)
    elif as_json:
        print_json([json_row(row) for row in rows])
    else:
        show(rows)


@app.command()
def report(results: ResultsOption = Path("results")) -> None:
    """Write report.html: what the records say, as one page that opens from a file without a network."""
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.report.page import write_report

    if not (results / "runs").is_dir():
        raise ExperimentError(f"{results} holds no run records; run an experiment, or name another folder")
    path, problems = write_report(results)
    for problem in problems:
        print(problem, file=sys.stderr)
    print(path)


@app.command()
def findings(
    results: ResultsOption = Path("results"),
    claims: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of claims (TOML); else those of the installed studies.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the published claims on the run records: derive findings.json and findings.md, and show the verdicts."""
    from rlvr_bench.console.tables import print_json, print_table
    from rlvr_bench.studies import verb

    entries = verb.findings(results, claims)
    if as_json:
        print_json(entries)
        return
    print_table(verb.as_rows(entries), verb.COLUMNS)
    print(verb.written(results), file=sys.stderr)


@app.command()
def rescore(
    results: ResultsOption = Path("results"),
    write: Annotated[bool, typer.Option("--write", help="Put the new scores into records and leaderboard.")] = False,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grade stored samples again with today's verifiers and say what changes; no model runs."""
    from rlvr_bench.console.tables import print_json
    from rlvr_bench.integrity.verb import rescore_folder, show_rescoring

    done = rescore_folder(results, write=write, data_dir=data_dir)
    if as_json:
        print_json(done)
    else:
        show_rescoring(done)
    raise typer.Exit(1 if done["not_graded"] else 0)


@results_app.command("check")
def results_check(results: ResultsOption = Path("results")) -> None:
    """Prove that records are consistent and in their place, and that the derived files are what they give."""
    from rlvr_bench.integrity.verb import faults_of
    from rlvr_bench.studies.check import findings_faults

    faults = faults_of(results, (findings_faults,))
    for fault in faults:
        print(fault)
    print(f"{results}: {len(faults)} fault{'s' * (len(faults) > 1)}" if faults else f"{results}: sound")
    raise typer.Exit(1 if faults else 0)
