"""Makes the base models of an experiment ready before its cells start.

What has to be fetched or converted is, so that no two cells do it at once; a tokenizer that cannot pad, or cannot chat
where the task asks for it, is said once and not by every cell.
"""

from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.source import source_of
from rlvr_bench.tasks import registry as task_registry


def prepare_bases(cells: Iterable[Cell]) -> None:
    """Make every base model of the cells a local folder; says what takes time, with a bar, on stderr.

    Raises:
        ModelError: a base cannot be found, fetched or converted, or its tokenizer cannot do what is asked of it.
    """
    asked = {cell.base.name: cell for cell in cells}
    foreign = [cell for cell in asked.values() if source_of(cell.base).kind != "organism"]
    if not foreign:
        return
    from rlvr_bench.models.base import folder_of, load_tokenizer  # imports torch, which organisms need not wait for

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for cell in foreign:
            base = cell.base
            bar = bars.add_task(f"preparing {base.name}", total=1.0)

            def show(message: str, done: float, bar: TaskID = bar) -> None:
                bars.update(bar, description=message, completed=done)
                if not console.is_terminal:
                    console.print(message, highlight=False)

            _check_chat(cell, load_tokenizer(base, folder_of(base, show)).chat_template is not None)
            bars.update(bar, completed=1.0)


def _check_chat(cell: Cell, can_chat: bool) -> None:
    if task_registry.create(cell.task, cell.data_dir).chat and not can_chat:
        raise ModelError(
            f"The task asks in chat messages, but {cell.base.name!r} has no chat template: set chat = false."
        )
