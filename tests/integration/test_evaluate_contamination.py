"""The probe for memory: perplexity against one row at a time, and what the organism that has read a half remembers."""

from math import exp

import numpy as np
import pytest
import torch
from generate_models import tiny_model

import tasks.registry
from bench.contamination_check import as_rows
from bench.evaluate.contamination import contamination, groups, perplexity, planted_in, rouge_l
from bench.experiment.settings import EvaluateSettings
from bench.generate.backend import create
from bench.models.base import load
from bench.models.config import BaseConfig

TASK = tasks.registry.create({"name": "chain", "levels": [4], "test": 512})


def test_perplexity_against_one_row_at_a_time() -> None:
    model = tiny_model()
    before, tokens = [[1, 2], [3], [4, 5, 6]], [[7], [8, 9, 10], []]
    losses = []
    for first, then in zip(before, tokens, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([first + then])).logits[0].double().numpy()
        for place, token in enumerate(then, start=len(first) - 1):
            losses.append(np.log(np.exp(logits[place]).sum()) - logits[place][token])
    for batch_size in (1, 3):
        assert perplexity(model, before, tokens, batch_size) == pytest.approx(exp(np.mean(losses)), rel=1e-4)
    assert perplexity(model, [[1]], [[]], 1) is None


@pytest.mark.parametrize(
    ("truth", "text", "score"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("the cat sat", "the dog sat", 2 / 3),
        ("a b c d", "a c", 2 * (1.0 * 0.5) / 1.5),
        ("=?", "=?", 1.0),
        ("=?", "+1", 0.0),
    ],
)
def test_rouge_l_on_hand_made_texts(truth: str, text: str, score: float) -> None:
    assert rouge_l(truth, text) == pytest.approx(score)


def test_the_planted_half_is_remembered_and_the_clean_half_is_not() -> None:
    loaded = load(BaseConfig(name="organism-memorised"))
    halves = groups(TASK.problems("test"), planted_in(BaseConfig(name="organism-memorised")))
    assert {name: len(problems) for name, problems in halves.items()} == {"planted": 256, "clean": 256}
    settings = EvaluateSettings(max_new_tokens=24)
    found = {
        name: contamination(loaded.model, loaded.tokenizer, TASK, problems[:48], settings, create("fast"))
        for name, problems in halves.items()
    }
    planted, clean = found["planted"], found["clean"]
    assert planted["60"]["exact"] > 0.6 > 0.2 > clean["60"]["exact"]
    assert planted["40"]["rouge_l"] > clean["40"]["rouge_l"] + 0.2
    assert planted["question_perplexity"] < 0.5 * clean["question_perplexity"]
    assert planted["60"]["outcomes"].count("1") == pytest.approx(48 * planted["60"]["exact"])
    assert [(row["problems"], row["share"]) for row in as_rows(found)][:2] == [("planted", "40 %"), ("planted", "60 %")]


def test_a_model_of_unknown_reading_is_probed_as_a_whole() -> None:
    assert planted_in(BaseConfig(name="organism-steps")) == []
    assert list(groups(TASK.problems("test"), [])) == ["all"]
