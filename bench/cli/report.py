"""`rlvr-bench report`: everything the records say, as one page."""

from pathlib import Path

import typer

from rlvr_bench.cli.options import ResultsOption, with_records

app = typer.Typer()


@app.command()
def report(results: ResultsOption = Path("results")) -> None:
    """Write report.html: what the records say, as one page that opens from a file without a network."""
    from rlvr_bench.console.text import say, tell
    from rlvr_bench.report.page import write_report

    path, problems = write_report(with_records(results))
    say(*problems)
    tell(str(path))
