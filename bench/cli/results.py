"""`rlvr-bench results check`: are the records, and the files derived from them, what they should be?"""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import ResultsOption, with_records

app = typer.Typer(help="A folder of results.", no_args_is_help=True)


@app.callback()
def results() -> None:
    """A folder of results."""


@app.command("check")
def results_check(results: ResultsOption = Path("results")) -> None:
    """Prove that records are consistent and in their place, and that the derived files are what they give."""
    from rlvr_bench.console.text import tell
    from rlvr_bench.integrity.check import check
    from rlvr_bench.studies.check import findings_faults

    checked = check(with_records(results), (findings_faults,))
    faults = checked.faults
    tell(*faults)
    if checked.without_digest:
        tell(f"{results}: {checked.without_digest} of {checked.records} records have no digest, as older ones do")
    tell(f"{results}: {len(faults)} fault{'s' * (len(faults) > 1)}" if faults else f"{results}: sound")
    raise typer.Exit(1 if faults else 0)


@app.command("pack")
def results_pack(
    results: ResultsOption = Path("results"),
    again: Annotated[bool, typer.Option("--again", help="Also write what is packed again, in today's form.")] = False,
) -> None:
    """Pack the folders of finished cells into two files a comparison, which is what is committed."""
    from rlvr_bench.console.text import say, tell
    from rlvr_bench.record.lock import results_lock
    from rlvr_bench.record.pack import pack

    with results_lock(results):
        done = pack(results, again)
    say(*map(str, done.faults))
    written = f"; {done.comparisons} comparisons written" if again else f" of {done.comparisons} comparisons packed"
    tell(f"{results}: {done.cells} cells{' packed' if again else ''}{written}")
    raise typer.Exit(1 if done.faults else 0)
