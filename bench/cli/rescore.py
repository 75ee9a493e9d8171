"""`rlvr-bench rescore`: grade stored samples again with today's verifiers."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rlvr_bench.cli.options import DataOption, JsonOption, ResultsOption, with_records

COLUMNS = ["comparison", "method", "model", "task", "split", "cells", "gained", "lost", "completions"]

app = typer.Typer()


@app.command()
def rescore(
    results: ResultsOption = Path("results"),
    write: Annotated[bool, typer.Option("--write", help="Put the new scores into records and leaderboard.")] = False,
    data_dir: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Grade stored samples again with today's verifiers and say what changes; no model runs."""
    from rlvr_bench.console.text import print_json, say
    from rlvr_bench.integrity.folder import rescore_folder

    done = rescore_folder(with_records(results), write=write, data_dir=data_dir, say=say)
    if as_json:
        print_json(done)
    else:
        _show(done)
    raise typer.Exit(1 if done["not_graded"] else 0)


def _show(done: dict[str, Any]) -> None:
    from rlvr_bench.console.tables import print_table
    from rlvr_bench.console.text import tell

    if done["changes"]:
        print_table(done["changes"], COLUMNS, numbers=["cells", "gained", "lost", "completions"])
        tell("gained, lost: problems whose greedy answer is right now, or was; completions: all whose verdict changed")
    tell(*done["reasons"], *done["left"])
    changed = "" if done["changes"] else "; no score changes"
    tell(f"samples of {done['cells']} cells were graded again{changed}; {done['written']} records written")
