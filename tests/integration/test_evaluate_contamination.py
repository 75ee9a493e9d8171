"""The probe for memory: perplexity against one row at a time, and what the organism that has read a half remembers."""

from itertools import combinations
from math import exp
from typing import Any

import numpy as np
import pytest
import torch
from generate_models import tiny_model
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import TemplateProcessing

from rlvr_bench.cli.contamination import as_rows
from rlvr_bench.evaluate.contamination import SHARES, contamination, groups, perplexity, planted_in, rouge_l
from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.generate.backend import Completions, create
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks.problem import Problem

TASK = task_registry.create({"name": "chain", "levels": [4], "test": 512})


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


def _longest_common(one: list[str], other: list[str]) -> int:
    """By trying all subsequences of the shorter text, longest first."""
    short, long = sorted((one, other), key=len)
    for size in range(len(short), 0, -1):
        for picked in combinations(short, size):
            rest = iter(long)
            if all(word in rest for word in picked):
                return size
    return 0


@given(*[st.lists(st.sampled_from(["7", "12", "is", "the", "sum"]), min_size=1, max_size=8)] * 2)
def test_rouge_l_against_all_common_subsequences(truth: list[str], text: list[str]) -> None:
    common = _longest_common(truth, text)
    f1 = 2 * common / (len(truth) + len(text))
    assert rouge_l(" ".join(truth), ", ".join(text).upper() + ".") == pytest.approx(f1)


class _Reader:
    """Completes questions with what is missing of them and an answer; of the second it has read all but the end."""

    name = "reader"

    def __init__(self, tokenizer: Any, problems: list[Problem]) -> None:
        self.tokenizer, self.problems = tokenizer, problems
        self.asked: list[list[int]] = []

    def generate(self, model: Any, prompts: list[list[int]], params: SamplingParams) -> Completions:
        self.asked += prompts
        texts = [self._complete(self.tokenizer.decode(prompt, skip_special_tokens=True)) for prompt in prompts]
        ids = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        return Completions(ids, [[0.0] * len(row) for row in ids], None, [False] * len(ids))

    def _complete(self, begun: str) -> str:
        (question,) = [problem.question for problem in self.problems if problem.question.startswith(begun)]
        rest = question.removeprefix(begun)
        return f"{rest if question == self.problems[0].question else rest[:-1] + '!'} #### 6"


def test_questions_are_cut_by_characters_and_asked_as_plain_text() -> None:
    tokenizer = character_tokenizer(64)
    tokenizer.add_special_tokens({"bos_token": "<bos>"})
    bos = tokenizer.bos_token_id
    behind_bos = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", bos)])
    tokenizer.backend_tokenizer.post_processor = behind_bos
    problems = [Problem("12+34=?", "6", "chain"), Problem("5*7=?", "5", "chain")]
    reader, model = _Reader(tokenizer, problems), tiny_model(vocabulary=len(tokenizer))
    found = contamination(model, tokenizer, TASK, problems, EvaluateSettings(), reader)
    for share in SHARES:
        part = found[str(share)]
        assert (part["outcomes"], part["exact"], part["answer"]) == ("10", 0.5, 0.5)
    assert [len(ids) for ids in reader.asked] == [1 + 3, 1 + 2, 1 + 4, 1 + 3, 1 + 6, 1 + 4]
    assert all(ids[0] == bos for ids in reader.asked)
    whole = [tokenizer(problem.question)["input_ids"] for problem in problems]
    expected = perplexity(model, [ids[:1] for ids in whole], [ids[1:] for ids in whole], 1)
    assert found["question_perplexity"] == pytest.approx(expected, rel=1e-4)


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
