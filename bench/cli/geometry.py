"""`rlvr-bench geometry`: the three gates for any two checkpoints of one architecture."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import STDOUT

app = typer.Typer()


@app.command()
def geometry(
    base: Annotated[str, typer.Argument(help="A whole checkpoint: organism, packaged model, folder or hub id.")],
    tuned: Annotated[str, typer.Argument(help="The same architecture after training, or an adapter of BASE.")],
    json_file: Annotated[str | None, typer.Option("--json", metavar="FILE", help="Write JSON; - is stdout.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write a line per tensor.")] = None,
    pictures: Annotated[Path | None, typer.Option(metavar="DIR", help="Draw pictures into this folder.")] = None,
    k: Annotated[
        int | None, typer.Option("-k", help="Principal directions; else 512, at most a quarter of the side.")
    ] = None,
    mask_rank: Annotated[
        int | None, typer.Option(help="Rank behind the principal mask; else 64, at most a quarter of the side.")
    ] = None,
    mask_density: Annotated[float, typer.Option(help="Share of the entries in a mask.")] = 0.5,
    draws: Annotated[int, typer.Option(help="Null updates of each kind; 0 leaves the nulls out.")] = 2,
) -> None:
    """Say what training did to the weights: sparsity in bf16, spectrum, angles, masks, each beside null updates."""
    import json

    from rlvr_bench.cli.views.geometry import show
    from rlvr_bench.console.bars import Bars
    from rlvr_bench.console.text import print_json_text, say
    from rlvr_bench.geometry.report import make_report
    from rlvr_bench.geometry.settings import GeometrySettings
    from rlvr_bench.record.atomic import write_whole

    settings = GeometrySettings(k=k, mask_rank=mask_rank, mask_density=mask_density, draws=draws)
    with Bars() as bars:
        report = make_report(base, tuned, settings, bars, pictures is not None)
    if csv_file is not None:
        write_whole(csv_file, report.as_csv())
    if pictures is not None:
        from rlvr_bench.geometry.pictures import draw  # matplotlib takes half a second

        say(*map(str, draw(report, pictures)))
    document = json.dumps(report.document, indent=1, allow_nan=False, ensure_ascii=False)
    if json_file == STDOUT:
        print_json_text(document)
        return
    if json_file is not None:
        write_whole(Path(json_file), document + "\n")
    show(report)
