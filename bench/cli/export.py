"""`rlvr-bench export`: the weights of a cell as a folder that PEFT or transformers loads."""

from pathlib import Path
from typing import Annotated

import typer

from rlvr_bench.cli.options import PluginOption, ResultsOption, with_records

app = typer.Typer()


@app.command()
def export(
    cell: Annotated[str, typer.Argument(help="The id of a cell that ran with keep_weights = true, or its beginning.")],
    peft: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the adapter, as PEFT loads it.")] = None,
    merged: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the whole model, merged.")] = None,
    push: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Also upload the folder to the hub.")] = None,
    results: ResultsOption = Path("results"),
    plugin: PluginOption = None,
) -> None:
    """Write a trained cell's weights with tokenizer, config and a model card, and print the path."""
    from rlvr_bench.console.text import tell
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.record.find import find_record

    if (peft is None) == (merged is None):
        raise ExperimentError("export: give --peft DIR or --merged DIR, one of them")
    record = find_record(with_records(results), cell)
    from rlvr_bench.cell.export import export_adapter, export_merged  # torch

    if peft is not None:
        export_adapter(record, peft)
    elif merged is not None:
        export_merged(record, merged)
    folder = peft or merged
    assert folder is not None
    tell(str(folder))
    if push is not None:
        from rlvr_bench.models.hub import push as push_to_hub

        tell(push_to_hub(folder, push))
