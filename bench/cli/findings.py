"""`rlvr-bench findings`: judge published claims on the records."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import JsonOption, ResultsOption

app = typer.Typer()


@app.command()
def findings(
    results: ResultsOption = Path("results"),
    claims: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of claims (TOML); else those of the installed studies.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the published claims on the run records: derive their files, and show the verdicts."""
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.leaderboard.over_bases import OVER_BASES_FILE
    from rlvr_bench.plugins.studies import broken_studies
    from rlvr_bench.studies.derive import FINDINGS_FILE, PAGE_FILE, derive
    from rlvr_bench.studies.errors import FindingsError
    from rlvr_bench.studies.page import interval

    if not results.is_dir():
        raise FindingsError(f"{results} is no folder; run an experiment, or name another results folder")
    entries = derive(results, claims)
    broken = list(broken_studies().values()) if claims is None else []
    if as_json:
        print_json(entries)
    else:
        rows = [entry | {"estimate": interval(entry), "seeds": len(entry["seeds"])} for entry in entries]
        print_table(rows, ["id", "base", "verdict", "estimate", "claim", "seeds"], numbers=["seeds"])
        say(f"written: {results / FINDINGS_FILE}, {PAGE_FILE} and, of several bases, {OVER_BASES_FILE}")
    say(*(f"not judged: the claims of {sentence}" for sentence in broken))
    raise typer.Exit(1 if broken else 0)
