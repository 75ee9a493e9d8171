"""All scores that a cell asks for: its own task on its splits, further tasks on their test split."""

from collections.abc import Iterator
from functools import partial

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate import base_cache
from rlvr_bench.evaluate.evaluator import evaluate
from rlvr_bench.evaluate.grading import SampleRow
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import Backend
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.schema import Score, ScoredSplit
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.task import Task

Scores = dict[str, dict[ScoredSplit, Score]]
"""By task, then by split."""


def score_all(
    cell: Cell, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, backend: Backend
) -> tuple[Scores, list[SampleRow]]:
    """Score a trained model on everything that its cell names, with all completions."""
    scores: Scores = {}
    rows: list[SampleRow] = []
    for name, scored_task, split in questions(cell, task):
        score, completions = evaluate(model, tokenizer, scored_task, split, cell.evaluate, backend)
        scores.setdefault(name, {})[split] = score
        rows += [row | {"task": name} for row in completions]
    return scores, rows


def base_scores(cell: Cell, base: LoadedBase, task: Task, backend: Backend) -> Scores:
    """The same scores of the untrained base, from the cache where it has them."""
    scores: Scores = {}
    for name, scored_task, split in questions(cell, task):
        scores.setdefault(name, {})[split] = base_score(base, scored_task, split, cell.evaluate, backend)
    return scores


def base_score(base: LoadedBase, task: Task, split: ScoredSplit, settings: EvaluateSettings, backend: Backend) -> Score:
    """One score of the untrained base, from the cache where it has it."""
    compute = partial(evaluate, base.model, base.tokenizer, task, split, settings, backend)
    return base_cache.cached_score(base_identity(base, task, split, settings, backend), compute)


def base_identity(
    base: LoadedBase, task: Task, split: ScoredSplit, settings: EvaluateSettings, backend: Backend
) -> str:
    """Return the id of one score of the untrained base as this process computes it."""
    return base_cache.key(base.fingerprint, task.fingerprint(), split, settings, backend.name, matmul.library())


def questions(cell: Cell, task: Task) -> Iterator[tuple[str, Task, ScoredSplit]]:
    """Name, task and split of each score."""
    for split in cell.evaluate.splits:
        if task.problems(split):
            yield task.name, task, split
    _, *further = cell.scored_tasks().items()
    for name, settings in further:
        yield name, task_registry.create(settings, cell.data_dir), "test"
