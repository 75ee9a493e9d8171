"""`rlvr-bench export`: a cell's weights as a folder for PEFT or transformers, or its result for PEFT's board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rlvr_bench.cli.options import PluginOption, ResultsOption, with_records

if TYPE_CHECKING:
    from rlvr_bench.record.schema import RunRecord

app = typer.Typer()


@app.command()
def export(
    cell: Annotated[
        str, typer.Argument(help="The id of a cell, or its beginning; for weights one of keep_weights = true.")
    ],
    peft: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the adapter, as PEFT loads it.")] = None,
    merged: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the whole model, merged.")] = None,
    peft_json: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the result for PEFT's method comparison; into a folder, by its name."),
    ] = None,
    push: Annotated[str | None, typer.Option(metavar="OWNER/NAME", help="Also upload the folder to the hub.")] = None,
    results: ResultsOption = Path("results"),
    plugin: PluginOption = None,
) -> None:
    """Write a trained cell's weights with tokenizer, config and a model card, or its result, and print the path."""
    from rlvr_bench.console.text import tell
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.record.find import find_record

    if [peft, merged, peft_json].count(None) != 2:
        raise ExperimentError("export: give --peft DIR, --merged DIR or --peft-json FILE, one of them")
    if push is not None and peft_json is not None:
        raise ExperimentError("export: --push uploads weights; give it with --peft DIR or --merged DIR")
    record = find_record(with_records(results), cell)
    if peft_json is not None:
        tell(str(_write_result(record, results, peft_json)))
        return
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


def _write_result(record: "RunRecord", results: Path, target: Path) -> Path:
    """Write a result of PEFT's method comparison; return where."""
    from datetime import UTC, datetime

    from rlvr_bench.cell.peft_comparison import file_name, result_file
    from rlvr_bench.record.atomic import write_whole
    from rlvr_bench.record.numbers import strict_json
    from rlvr_bench.record.store import StepReader

    file = target / file_name(record) if target.is_dir() else target
    document = result_file(record, StepReader(results).steps(record), datetime.now(UTC))
    write_whole(file, strict_json(document, indent=2) + "\n")
    return file
