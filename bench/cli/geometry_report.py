"""The verb `rlvr-bench geometry`: make the report, write what was asked for, show the rest."""

import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from rlvr_bench.cli import geometry_table as table
from rlvr_bench.geometry.report import Report, make_report
from rlvr_bench.geometry.settings import GeometrySettings
from rlvr_bench.record.atomic import write_whole

STDOUT = "-"
LINE_EVERY_SECONDS = 30.0


def report_on(
    base: str,
    tuned: str,
    settings: GeometrySettings,
    *,
    json_file: str | None = None,
    csv_file: Path | None = None,
    pictures: Path | None = None,
) -> None:
    """Compare two checkpoints and show the summary; with `json_file` "-" stdout holds the JSON document alone.

    Raises:
        ModelError, GeometryError: the input is wrong.
        RecordError: a file cannot be written.
    """
    report = _with_progress(base, tuned, settings, pictures is not None)
    if csv_file is not None:
        write_whole(csv_file, report.as_csv())
    if pictures is not None:
        from rlvr_bench.geometry.pictures import draw  # matplotlib takes half a second

        for path in draw(report, pictures):
            print(path, file=sys.stderr)
    if json_file is not None:
        document = json.dumps(report.document, indent=1, allow_nan=False, ensure_ascii=False)
        if json_file == STDOUT:
            print(document)
            return
        write_whole(Path(json_file), document + "\n")
    table.show(report)


def _with_progress(base: str, tuned: str, settings: GeometrySettings, pictures: bool) -> Report:
    """Make the report under a bar on a terminal, with a line every 30 s without one."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    last_line = time.monotonic()

    def progress(message: str, done: float) -> None:
        nonlocal last_line
        bar.update(task, description=message, completed=done)
        if not console.is_terminal and time.monotonic() - last_line >= LINE_EVERY_SECONDS:
            last_line = time.monotonic()
            console.print(f"{done:.0%} {message}", highlight=False, markup=False, soft_wrap=True)

    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("opening", total=1.0)
        return make_report(base, tuned, settings, progress, pictures)
