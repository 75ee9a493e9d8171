"""All scores that a cell asks for: its own task on its splits, further tasks on their test split.

Of the untrained base also what behaviour is compared with, and its scores under other prompts.
"""

from collections.abc import Iterator
from functools import partial
from typing import Literal

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from rlvr_bench.evaluate import base_cache
from rlvr_bench.evaluate.behaviour import greedy_rows
from rlvr_bench.evaluate.contamination import Group, base_contamination, contamination, groups, planted_in
from rlvr_bench.evaluate.evaluator import evaluate
from rlvr_bench.evaluate.grading import SampleRow
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import Backend
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.samples import read_samples
from rlvr_bench.record.schema import Score, ScoredSplit
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.prompts import STYLES
from rlvr_bench.tasks.task import Task

Scores = dict[str, dict[ScoredSplit, Score]]
"""By task, then by split."""


def score_all(
    cell: Cell, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, backend: Backend
) -> tuple[Scores, list[SampleRow]]:
    """Score a trained model on everything that its cell names, with all completions."""
    scores: Scores = {}
    rows: list[SampleRow] = []
    for name, asked, split in questions(cell, task):
        score, completions = evaluate(model, tokenizer, asked, split, cell.evaluate, backend)
        scores.setdefault(name, {})[split] = score
        rows += [row | {"task": name} for row in completions]
    return scores, rows


def base_scores(cell: Cell, base: LoadedBase, task: Task, backend: Backend) -> Scores:
    """The same scores of the untrained base, from the cache where it has them."""
    scores: Scores = {}
    for name, asked, split in questions(cell, task):
        scores.setdefault(name, {})[split] = _base_score(base, asked, split, cell.evaluate, backend)
    return scores


def prompt_scores(cell: Cell, base: LoadedBase, task: Task, backend: Backend) -> dict[str, Score]:
    """Greedy scores of the untrained base on the test split by prompt style; none unless the cell asks for them."""
    if not cell.evaluate.prompt_range:
        return {}
    asked = {style: cell.evaluate.model_copy(update={"prompt": style, "samples": 0}) for style in STYLES}
    return {style: _base_score(base, task, "test", settings, backend) for style, settings in asked.items()}


def memory(
    cell: Cell, base: LoadedBase, task: Task, model: PreTrainedModel | None, backend: Backend
) -> dict[str, Group] | None:
    """What the contamination probe finds on the test split by group of problems; None unless the cell asks for it.

    `model` is the tuned one; None is the untrained base, whose findings are cached.
    """
    if not cell.evaluate.contamination:
        return None
    parts = groups(task.problems("test"), planted_in(cell.base))
    if model is None:
        return {name: base_contamination(base, task, part, cell.evaluate, backend) for name, part in parts.items()}
    return {
        name: contamination(model, base.tokenizer, task, part, cell.evaluate, backend) for name, part in parts.items()
    }


def base_answers(cell: Cell, base: LoadedBase, task: Task, backend: Backend) -> list[SampleRow]:
    """The base's greedy answers that behaviour is compared with, after `base_scores` has made them."""
    split = behaviour_split(cell, task)
    identity = base_cache.key(base.fingerprint, task.fingerprint(), split, cell.evaluate, backend.name)
    return greedy_rows(read_samples(identity), task.name, split)


def behaviour_split(cell: Cell, task: Task) -> Literal["validation", "test"]:
    """The split whose answers are compared: test, or validation where test is not scored."""
    return "test" if "test" in cell.evaluate.splits and task.problems("test") else "validation"


def _base_score(
    base: LoadedBase, task: Task, split: ScoredSplit, settings: EvaluateSettings, backend: Backend
) -> Score:
    identity = base_cache.key(base.fingerprint, task.fingerprint(), split, settings, backend.name)
    return base_cache.cached_score(
        identity, partial(evaluate, base.model, base.tokenizer, task, split, settings, backend)
    )


def questions(cell: Cell, task: Task) -> Iterator[tuple[str, Task, ScoredSplit]]:
    """Name, task and split of each score."""
    for split in cell.evaluate.splits:
        if task.problems(split):
            yield task.name, task, split
    _, *further = cell.scored_tasks().items()
    for name, settings in further:
        yield name, task_registry.create(settings, cell.data_dir), "test"
