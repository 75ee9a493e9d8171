"""Fetches or converts the base models of an experiment before its cells start, so that no two cells do it at once."""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench.experiment.cell import Cell
from bench.models.source import source_of


def prepare_bases(cells: Iterable[Cell]) -> None:
    """Make every base model of the cells a local folder; says what takes time, with a bar, on stderr.

    Raises:
        ModelError: a base cannot be found, fetched or converted.
    """
    bases = {cell.base.name: cell.base for cell in cells}
    remote = [base for base in bases.values() if source_of(base).kind in ("packaged", "hub")]
    if not remote:
        return
    from bench.models.base import folder_of  # imports torch, which organisms and local folders need not wait for

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for base in remote:
            bar = bars.add_task(f"preparing {base.name}", total=1.0)

            def show(message: str, done: float, bar: TaskID = bar) -> None:
                bars.update(bar, description=message, completed=done)
                if not console.is_terminal:
                    console.print(message, highlight=False)

            folder_of(base, show)
            bars.update(bar, completed=1.0)
