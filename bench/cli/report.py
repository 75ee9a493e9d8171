"""`rlvr-bench report`: everything the records say, as one page."""

from pathlib import Path

import typer

from rlvr_bench.cli.options import ResultsOption, with_records

app = typer.Typer()


@app.command()
def report(results: ResultsOption = Path("results")) -> None:
    """Write report.html: what the records say, as one page that opens from a file without a network."""
    write_page(with_records(results))


def write_page(results: Path) -> None:
    """Write the page of a results folder and say where it is, and what could not be read for it."""
    from rlvr_bench.console.text import say, tell
    from rlvr_bench.report.page import write_report

    path, problems = write_report(results)
    say(*problems)
    tell(str(path))
    raise typer.Exit(1 if problems else 0)
