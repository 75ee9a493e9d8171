"""Makes the base models of an experiment ready before its cells start.

What has to be fetched or converted is, so that no two cells do it at once; a tokenizer that cannot pad, or cannot chat
where the task asks for it, is said once and not by every cell. So is what all cells of this machine compute with.
"""

from collections.abc import Collection, Iterable

from rlvr_bench.console.progress import Watcher
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate import float32_products
from rlvr_bench.models.errors import ModelError
from rlvr_bench.models.source import source_of
from rlvr_bench.tasks import registry as task_registry


def prepare_bases(cells: Iterable[Cell], watcher: Watcher) -> None:
    """Make every base model of the cells a local folder; what takes time has a bar.

    Raises:
        ModelError: a base cannot be found, fetched or converted, or its tokenizer cannot do what is asked of it.
    """
    cell_by_base = {cell.base.name: cell for cell in cells}
    foreign = [cell for cell in cell_by_base.values() if source_of(cell.base).kind != "organism"]
    if not foreign:
        return
    from rlvr_bench.models.base import folder_of, load_tokenizer  # imports torch, which organisms need not wait for

    for cell in foreign:
        with watcher.bar(f"preparing {cell.base.name}") as report:
            folder = folder_of(cell.base, report)
        _check_chat(cell, load_tokenizer(cell.base, folder).chat_template is not None)


def prepare_products(cells: Collection[Cell], threads: int) -> None:
    """Let this machine decide what float32 products go through before cells, which all need to know it, keep it busy.

    Raises:
        ExperimentError: the environment chooses a library that there is not.
        RecordError: the decision cannot be made or kept.
    """
    if cells and float32_products.forced() is None:
        float32_products.decide_ahead(threads)


def _check_chat(cell: Cell, can_chat: bool) -> None:
    if task_registry.create(cell.task, cell.data_dir).chat and not can_chat:
        raise ModelError(
            f"The task asks in chat messages, but {cell.base.name!r} has no chat template: set chat = false."
        )
