"""All scores that a cell asks for: its own task on its splits, further tasks on their test split."""

from collections.abc import Iterator
from functools import partial

from transformers import PreTrainedModel, PreTrainedTokenizerBase

import tasks.registry
from bench.evaluate import base_cache
from bench.evaluate.evaluator import evaluate
from bench.evaluate.grading import SampleRow
from bench.experiment.cell import Cell
from bench.generate.backend import Backend
from bench.models.base import LoadedBase
from bench.record.schema import Score, ScoredSplit
from tasks.task import Task

Scores = dict[str, dict[ScoredSplit, Score]]
"""By task, then by split."""


def score_all(
    cell: Cell, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, backend: Backend
) -> tuple[Scores, list[SampleRow]]:
    """Score a trained model on everything that its cell names, with all completions."""
    scores: Scores = {}
    rows: list[SampleRow] = []
    for name, asked, split in _questions(cell, task):
        score, completions = evaluate(model, tokenizer, asked, split, cell.evaluate, backend)
        scores.setdefault(name, {})[split] = score
        rows += [row | {"task": name} for row in completions]
    return scores, rows


def base_scores(cell: Cell, base: LoadedBase, task: Task, backend: Backend) -> Scores:
    """The same scores of the untrained base, from the cache where it has them."""
    scores: Scores = {}
    for name, asked, split in _questions(cell, task):
        identity = base_cache.key(base.fingerprint, asked.fingerprint(), split, cell.evaluate, backend.name)
        scores.setdefault(name, {})[split] = base_cache.cached_score(
            identity, partial(evaluate, base.model, base.tokenizer, asked, split, cell.evaluate, backend)
        )
    return scores


def _questions(cell: Cell, task: Task) -> Iterator[tuple[str, Task, ScoredSplit]]:
    """Name, task and split of each score."""
    for split in cell.evaluate.splits:
        if task.problems(split):
            yield task.name, task, split
    _, *further = cell.scored_tasks().items()
    for name, settings in further:
        yield name, tasks.registry.create(settings, cell.data_dir), "test"
