"""Makes the majority labels of an experiment before its cells start: once for all of them, with a bar."""

from collections.abc import Callable, Iterable
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards


def prepare_labels(cells: Iterable[Cell], threads: int) -> None:
    """Build the labels that rewards of the cells ask for and the cache does not have; what takes time is on stderr.

    Args:
        cells: the cells that will run.
        threads: processor threads.

    Raises:
        ExperimentError: a reward can train on too few problems.
        RecordError: the cache cannot be written.
    """
    asked = {
        _what_labels_follow_from(cell): cell for cell in cells if rewards.label_request(cell.paid_reward) is not None
    }
    if not asked:
        return
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        for cell in asked.values():
            message = f"labelling {cell.task['name']} by {cell.base.name}"
            bar = bars.add_task(message, total=1.0)
            if not console.is_terminal:
                console.print(message, highlight=False)
            _label(cell, threads, partial(_advance, bars, bar))
            bars.update(bar, completed=1.0)


def _advance(bars: Progress, bar: TaskID, done: int, total: int) -> None:
    bars.update(bar, completed=done / total)


def _label(cell: Cell, threads: int, progress: Callable[[int, int], None]) -> None:
    import torch  # no other reward needs a model before any cell runs

    from rlvr_bench.evaluate.labels import cell_labels
    from rlvr_bench.generate.backend import create_for
    from rlvr_bench.models import base as base_models
    from rlvr_bench.train.problems import training_problems

    torch.set_num_threads(threads)
    task, base = task_registry.create(cell.task, cell.data_dir), base_models.load(cell.base)
    base.model.to("cuda" if torch.cuda.is_available() else "cpu")
    labels = cell_labels(cell, base, task, create_for(cell.signal.rollout_backend, base.model), progress)
    training_problems(task, cell.paid_reward, labels, cell.signal)


def _what_labels_follow_from(cell: Cell) -> tuple[object, ...]:
    return (
        cell.base_fingerprint,
        cell.task_fingerprint,
        cell.evaluate.prompt,
        cell.signal.max_new_tokens,
        cell.signal.rollout_backend,
        rewards.title(cell.paid_reward),
    )
