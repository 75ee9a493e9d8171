"""The backend for vLLM with an engine that only writes down what it is asked: vLLM itself needs a GPU."""

import math
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch
from generate_models import tiny_model

from rlvr_bench.generate import vllm
from rlvr_bench.generate.backend import create
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stopping import StopTexts
from rlvr_bench.generate.vllm import VllmBackend
from rlvr_bench.models.tokenizer import character_tokenizer

PARAMS = SamplingParams(max_new_tokens=3, temperature=0.7, eos_token_ids=frozenset({2, 1}), batch_size=4)


class _Engine:
    made: ClassVar[list["_Engine"]] = []

    def __init__(self, model: Any, accelerator: Any, processing_class: Any, **options: Any) -> None:
        self.options, self.synced = options, []
        self.made.append(self)

    def sync_weights(self) -> None:
        self.synced.append(next(self.model.parameters()).sum().item())

    def generate(self, prompts: Any, images: Any, num_generations: int) -> Any:
        self.asked = (prompts, self.temperature, self.max_completion_length, self.generation_kwargs, num_generations)
        return prompts, [[7, 1], [7, 8, 9]], [[[-0.5], [-0.25]], [[-0.1], [None], [-0.2]]], None


def test_without_vllm_the_refusal_says_what_to_install() -> None:
    if vllm.is_vllm_available():
        pytest.skip("vLLM is installed here")
    with pytest.raises(GenerationError, match=r"rlvr-bench\[vllm\]"):
        create("vllm").generate(tiny_model(), [[4]], PARAMS)


def test_a_model_on_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "is_vllm_available", lambda: True)
    assert "needs the model on a GPU, it is on cpu" in str(create("vllm").refusal(tiny_model()))


def test_the_engine_gets_the_weights_of_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VllmBackend, "refusal", lambda self, model: None)
    monkeypatch.setattr(vllm.vllm_generation, "VLLMGeneration", _Engine)
    monkeypatch.setattr(_Engine, "made", [])
    backend, model = VllmBackend(memory=0.3), tiny_model()
    completions = backend.generate(model, [[4], [5, 6]], PARAMS)
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    backend.generate(model, [[4], [5, 6]], PARAMS)
    (engine,) = _Engine.made
    assert engine.options["gpu_memory_utilization"] == 0.3
    assert engine.synced[0] != engine.synced[1]
    assert engine.asked == ([[4], [5, 6]], 0.7, 3, {"stop_token_ids": [1, 2]}, 1)
    assert completions.token_ids == [[7, 1], [7, 8, 9]]
    assert completions.truncated == [False, True]
    assert completions.entropies is None
    assert completions.logprobs[0] == [-0.5, -0.25] and math.isnan(completions.logprobs[1][1])


def test_the_engine_is_told_the_stop_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VllmBackend, "refusal", lambda self, model: None)
    monkeypatch.setattr(vllm.vllm_generation, "VLLMGeneration", _Engine)
    monkeypatch.setattr(_Engine, "made", [])
    stop = StopTexts(character_tokenizer(64), ("Question:",))
    VllmBackend().generate(tiny_model(), [[4], [5, 6]], replace(PARAMS, stop=stop))
    assert _Engine.made[-1].asked[3] == {"stop_token_ids": [1, 2], "stop": ["Question:"]}
