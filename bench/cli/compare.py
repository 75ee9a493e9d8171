"""`rlvr-bench compare`: two methods, two runs or two results folders side by side."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import JsonOption, ResultsOption, with_records

app = typer.Typer()


@app.command()
def compare(
    one: Annotated[str, typer.Argument(help="A method, the id of a cell (its beginning), or a results folder.")],
    other: Annotated[str, typer.Argument(help="Another of the same kind.")],
    within: Annotated[str, typer.Option("--in", metavar="GLOB", help="Only in comparisons of such names.")] = "*",
    results: ResultsOption = Path("results"),
    as_json: JsonOption = False,
) -> None:
    """Show the difference of two with its interval, the settings that differ, and their curves."""
    if all(Path(name).is_dir() for name in (one, other)):
        _compare_folders(Path(one), Path(other), as_json)
        return
    from rlvr_bench.cli.views.pair import show_pair
    from rlvr_bench.console.text import print_json
    from rlvr_bench.record.numbers import finite_or_none
    from rlvr_bench.report.pair import pair_document, pairs, sides

    with_records(results)
    found = pairs(sides(results, one, within), sides(results, other, within))
    documents = [pair_document(*pair) for pair in found]
    if as_json:
        print_json(finite_or_none(documents))
        return
    for document in documents:
        show_pair(document)


def _compare_folders(one: Path, other: Path, as_json: bool) -> None:
    from rlvr_bench.cli.views.differences import show_differences
    from rlvr_bench.console.text import print_json
    from rlvr_bench.leaderboard.differences import as_document
    from rlvr_bench.leaderboard.differences import compare as compare_standings
    from rlvr_bench.leaderboard.standings import leaderboard
    from rlvr_bench.record.store import load_all

    standings = [leaderboard(load_all(with_records(folder))[0]) for folder in (one, other)]
    differences = compare_standings(*standings)
    if as_json:
        print_json(as_document(differences))
    else:
        show_differences(differences, only_changes=True)
