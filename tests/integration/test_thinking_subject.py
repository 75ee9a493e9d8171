"""What is computed of traces once, whatever is trained on them."""

from pathlib import Path

import pytest

from rlvr_bench.models.base import load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.tasks import registry
from rlvr_bench.thinking import subject as module
from rlvr_bench.thinking.confidence import trace_confidences
from rlvr_bench.thinking.settings import ThinkSettings
from rlvr_bench.thinking.subject import Subject
from rlvr_bench.thinking.trace import at_share

TRACES = {"samples": 3, "test_problems": 4, "max_new_tokens": 24}


def _subject(training: int = 0, rollouts: int = 2) -> Subject:
    loaded = load(BaseConfig(name="organism-steps"))
    task = registry.create({"name": "chain", "levels": [4], "train": 32, "validation": 16, "test": 8})
    settings = ThinkSettings.model_validate({"traces": TRACES, "scorer": {"seed": training, "mc_rollouts": rollouts}})
    return Subject(loaded.model, loaded.tokenizer, task, settings, "organism-steps")


def test_another_training_computes_nothing_of_the_same_traces_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    first = _subject()
    traces = first.traces("test")
    confidences, values = first.test_confidences(), first.test_middle_values(2)
    assert confidences == trace_confidences(first.model, traces, first.settings.scorer.batch_size)
    own = traces[:6]
    assert values == first.values_at(own, [[at_share(0.5, trace.fed)] for trace in own], 2)

    def refuse(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(module, "trace_confidences", refuse)
    monkeypatch.setattr(module, "continuation_values", refuse)
    second = _subject(training=1)
    assert second.test_confidences() == confidences and second.test_middle_values(2) == values
    for other, problems in ((_subject(rollouts=3), 2), (second, 3)):
        with pytest.raises(AssertionError, match="computed again"):
            other.test_middle_values(problems)
