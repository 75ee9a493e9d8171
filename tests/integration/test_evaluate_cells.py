"""What a cell asks to be scored, and the base scores that cells share."""

from pathlib import Path

import pytest
from generate_models import tiny_model

from rlvr_bench.evaluate import base_cache, scores
from rlvr_bench.evaluate.grading import problems_hash
from rlvr_bench.evaluate.scores import base_scores, score_all
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import create
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.record.samples import read_samples
from rlvr_bench.record.schema import Score
from rlvr_bench.tasks import registry

CHAIN = {"name": "chain", "levels": [3], "train": 4, "validation": 6, "test": 8}
HARDER = {**CHAIN, "levels": [5]}
SORT = {"name": "sort", "train": 4, "validation": 6, "test": 5}


@pytest.fixture
def cell(tmp_path, monkeypatch):
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    settings = EvaluateSettings(samples=2, max_new_tokens=4, extra_tasks=(SORT, HARDER))
    return Cell.model_construct(task=CHAIN, evaluate=settings, data_dir=None)


def _counted(model, tokenizer, task, split, settings, backend):
    """In the place of the evaluator: which problems were asked, and of which model."""
    problems = task.problems(split)
    score = Score(n=len(problems), problems_hash=problems_hash(problems))
    return score, [{"task": task.name, "model": model} for _ in problems]


def _sizes(scores):
    return {name: {split: score.n for split, score in parts.items()} for name, parts in scores.items()}


def test_a_cell_is_scored_on_its_splits_and_on_the_test_split_of_further_tasks(cell, monkeypatch):
    monkeypatch.setattr(scores, "evaluate", _counted)
    got, rows = score_all(cell, "tuned", None, registry.create(CHAIN), create("fast"))
    assert _sizes(got) == {"chain": {"validation": 6, "test": 8}, "sort": {"test": 5}, "chain-2": {"test": 8}}
    assert [row["task"] for row in rows] == ["chain"] * 14 + ["sort"] * 5 + ["chain-2"] * 8
    assert got["chain"]["test"].problems_hash != got["chain-2"]["test"].problems_hash


def test_a_task_without_a_split_is_scored_on_the_others(cell, monkeypatch):
    monkeypatch.setattr(scores, "evaluate", _counted)
    task = registry.create(CHAIN)
    of_chain = task.problems
    task.problems = lambda split: [] if split == "validation" else of_chain(split)
    got, _ = score_all(cell, "tuned", None, task, create("fast"))
    assert list(got["chain"]) == ["test"]


def test_the_base_is_scored_like_a_tuned_model_and_only_once(cell, monkeypatch):
    tokenizer, task, backend = character_tokenizer(256), registry.create(CHAIN), create("fast")
    base = LoadedBase(tiny_model(vocabulary=len(tokenizer)), tokenizer, Path(), "fingerprint")
    first = base_scores(cell, base, task, backend)
    tuned, rows = score_all(cell, base.model, tokenizer, task, backend)
    assert first == tuned
    key = base_cache.key("fingerprint", task.fingerprint(), "test", cell.evaluate, "fast", matmul.library())
    kept = [row["completion"] for row in read_samples(key)]
    assert kept == [row["completion"] for row in rows if row["task"] == "chain" and row["split"] == "test"]
    monkeypatch.setattr(scores, "evaluate", lambda *_: pytest.fail("the base was scored twice"))
    assert base_scores(cell, base, task, backend) == first
