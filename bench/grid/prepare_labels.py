"""Makes the majority labels of an experiment before its cells start: once for all of them, with a bar."""

from collections.abc import Iterable

from rlvr_bench.console.progress import Report, Watcher
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards


def prepare_labels(cells: Iterable[Cell], threads: int, watcher: Watcher) -> None:
    """Build the labels that rewards of the cells ask for and the cache does not have; each has a bar.

    Args:
        cells: the cells that will run.
        threads: processor threads.
        watcher: is told what is labelled.

    Raises:
        ExperimentError: a reward can train on too few problems.
        RecordError: the cache cannot be written.
    """
    cell_by_labels = {
        _what_labels_follow_from(cell): cell for cell in cells if rewards.label_request(cell.paid_reward) is not None
    }
    if not cell_by_labels:
        return
    for cell in cell_by_labels.values():
        with watcher.bar(f"labelling {cell.task['name']} by {cell.base.name}") as report:
            _label(cell, threads, report)


def _label(cell: Cell, threads: int, report: Report) -> None:
    import torch  # no other reward needs a model before any cell runs

    from rlvr_bench.evaluate.labels import cell_labels
    from rlvr_bench.generate.backend import create_for
    from rlvr_bench.models import base as base_models
    from rlvr_bench.train.problems import training_problems

    torch.set_num_threads(threads)
    task, base = task_registry.create(cell.task, cell.data_dir), base_models.load(cell.base)
    base.model.to("cuda" if torch.cuda.is_available() else "cpu")
    backend = create_for(cell.signal.scoring_backend, base.model)
    labels = cell_labels(cell, base, task, backend, lambda done, total: report(f"{done} of {total}", done / total))
    training_problems(task, cell.paid_reward, labels, cell.signal)


def _what_labels_follow_from(cell: Cell) -> tuple[object, ...]:
    return (
        cell.base_fingerprint,
        cell.task_fingerprint,
        cell.evaluate.prompt,
        cell.signal.max_new_tokens,
        cell.signal.scoring_backend,
        rewards.title(cell.paid_reward),
    )
