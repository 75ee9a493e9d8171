"""What `think --train --max-loss` writes: the promise, what became of it, and how often it breaks when drawn anew."""

from pathlib import Path

import pytest

from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.tasks import registry
from rlvr_bench.thinking.policies import Full, policy
from rlvr_bench.thinking.promise import Terms, losses
from rlvr_bench.thinking.readers import NoReader
from rlvr_bench.thinking.replays import Replays, Scoring, promised_policy
from rlvr_bench.thinking.settings import ThinkSettings
from rlvr_bench.thinking.study import promise_and_kept
from rlvr_bench.thinking.subject import Subject

TRACES = {"samples": 4, "train_problems": 24, "validation_problems": 8, "test_problems": 12, "max_new_tokens": 40}


def _subject(validation: int) -> Subject:
    loaded = load(BaseConfig(name="organism-steps"))
    task = registry.create({"name": "chain", "levels": [4], "train": 32, "validation": validation, "test": 12})
    settings = ThinkSettings.model_validate({"traces": TRACES, "scorer": {"epochs": 1}})
    return Subject(loaded.model, loaded.tokenizer, task, settings, "organism-steps")


def test_a_promise_is_that_of_think_and_is_held_against_fresh_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    subject, scoring = _subject(validation=48), Scoring("otv", NoReader, 0)
    document = promise_and_kept(subject, Terms(0.5))
    promise = promised_policy(subject, scoring, 4, "weighted", None, Terms(0.5))
    assert document["problems"] == 40 and document["kinds"]
    assert {key: document[key] for key in promise if key != "kinds"} == {
        key: value for key, value in promise.items() if key != "kinds"
    }
    replay = Replays(subject, "test", 4, scoring)
    for kind in document["kinds"].values():
        kept = losses(replay(policy(kind["policy"])), replay(Full()), "weighted")
        assert (kind["test"]["lost"], kind["test"]["problems"]) == (float(kept.lost.mean()), 12)
        assert kind["test"]["tokens_share"] == kept.tokens_share
    drawn = document["redrawn"]
    assert (drawn["problems"], drawn["pool"]) == (40, 52)
    assert 0 <= drawn["broken"] <= drawn["promised"] <= drawn["draws"]


def test_without_calibration_problems_nothing_is_promised_or_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    document = promise_and_kept(_subject(validation=8), Terms(0.5))
    assert (document["problems"], document["kinds"], document["policy"]) == (0, {}, "full")
    assert "redrawn" not in document
