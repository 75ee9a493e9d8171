"""`rlvr-bench init`: a commented experiment file to start from, and the schema that editors complete it by."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def init(
    file: Annotated[Path, typer.Argument(help="The file to write; none that is there is overwritten.")] = Path(
        "experiment.toml"
    ),
    preset: Annotated[str, typer.Option("--from", metavar="PRESET", help="The preset that it starts from.")] = "quick",
) -> None:
    """Write a commented experiment file that runs as it stands, with a JSON Schema beside it for editors."""
    import json

    from rlvr_bench.console.text import tell
    from rlvr_bench.experiment.errors import ExperimentError
    from rlvr_bench.experiment.experiment import preset_text
    from rlvr_bench.experiment.starter import SCHEMA_FILE, commented, file_name, file_schema
    from rlvr_bench.record.atomic import write_whole

    if file.exists():
        raise ExperimentError(f"{file} is there already; name another file, or remove it")
    if file.suffix != ".toml":
        raise ExperimentError(f"{file}: an experiment file ends in .toml; give such a name")
    try:
        text = commented(preset_text(preset), preset, file_name(file.stem), str(file))
    except ValueError as error:
        raise ExperimentError(f"{error}; name the file after what it compares") from error
    write_whole(file, text)
    write_whole(file.parent / SCHEMA_FILE, json.dumps(file_schema(), indent=1) + "\n")
    tell(str(file))
