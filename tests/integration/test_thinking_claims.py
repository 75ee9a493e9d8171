"""The two equality claims as properties: random small Llama, Qwen2 and Qwen3 with grouped heads, probes and traces."""

from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thinking_subjects import random_traces, shaken_probe
from torch import Tensor
from transformers import (
    DynamicCache,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from rlvr_bench.generate.decoder_weights import read_weights
from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.monitor import CacheView
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.thinking.batch import collate
from rlvr_bench.thinking.prefixes import Prefixes
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.trace import positions

VOCABULARY = 61
KINDS = {
    "llama": (LlamaConfig, LlamaForCausalLM),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM),
}
PROPERTY = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _model(kind: str, heads: tuple[int, int], head_dim: int, layers: int, seed: int) -> PreTrainedModel:
    """A random decoder; `heads` are those of queries and of keys."""
    config, decoder = KINDS[kind]
    more = {} if kind == "qwen2" else {"head_dim": head_dim}
    torch.manual_seed(seed)
    model = decoder(
        config(
            vocab_size=VOCABULARY,
            hidden_size=heads[0] * head_dim,
            num_hidden_layers=layers,
            num_attention_heads=heads[0],
            num_key_value_heads=heads[1],
            intermediate_size=40,
            max_position_embeddings=128,
            **more,
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


MODELS = st.builds(
    _model,
    kind=st.sampled_from(sorted(KINDS)),
    heads=st.sampled_from([(2, 1), (4, 2), (6, 2), (3, 3)]),
    head_dim=st.sampled_from([8, 12]),
    layers=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)


@PROPERTY
@given(
    model=MODELS,
    probe_tokens=st.sampled_from([1, 2, 5, 8]),
    rank=st.sampled_from([0, 1, 4]),
    stride=st.integers(1, 5),
    seed=st.integers(0, 99),
    remembered=st.sampled_from([0, 9000, 10**9]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_one_pass_over_all_positions_says_what_probing_a_growing_cache_says(
    model: PreTrainedModel, probe_tokens: int, rank: int, stride: int, seed: int, remembered: int, dtype: torch.dtype
) -> None:
    model = model.to(dtype)
    probe, traces = shaken_probe(model, probe_tokens, rank), random_traces(4, seed)
    probe.prefixes = Prefixes(model, remembered)
    places = [positions(trace.fed, stride) for trace in traces]
    with torch.no_grad():
        probe.logits(collate(traces[1:], places[1:], model.device))  # what is remembered changes nothing
        parallel = probe.logits(collate(traces, places, model.device))
        for row, trace in enumerate(traces):
            cache, fed = DynamicCache(), [*trace.prompt, *trace.tokens]
            start = 0
            for number, place in enumerate(places[row]):
                end = len(trace.prompt) + place
                model(input_ids=torch.tensor([fed[start:end]]), past_key_values=cache)
                start = end
                incremental = probe.read(cache, torch.tensor([[end]])).item()
                assert incremental == pytest.approx(parallel[row, number].item(), abs=1e-4)


@PROPERTY
@given(model=MODELS, probe_tokens=st.integers(1, 8), dtype=st.sampled_from([torch.float32, torch.bfloat16]))
def test_a_probe_leaves_every_later_logit_as_it_was_bit_for_bit(
    model: PreTrainedModel, probe_tokens: int, dtype: torch.dtype
) -> None:
    model = model.to(dtype)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    traces = random_traces(1, seed=3)
    prompt = torch.tensor([traces[0].prompt])

    def logits(probe: Probe | None) -> list[Tensor]:
        cache, fed, found = DynamicCache(), prompt, []
        for _ in range(6):
            found.append(model(input_ids=fed, past_key_values=cache).logits)
            if probe is not None:
                keys = [layer.keys.clone() for layer in cache.layers]
                assert probe.read(cache, torch.tensor([[cache.get_seq_length()]])).isfinite().all()
                assert all(torch.equal(*pair) for pair in zip(keys, (own.keys for own in cache.layers), strict=True))
            fed = found[-1][:, -1].argmax(dim=-1, keepdim=True)
        return found

    with torch.no_grad():
        untouched = logits(None)
        probed = logits(shaken_probe(model, probe_tokens))
    assert all(torch.equal(*pair) for pair in zip(untouched, probed, strict=True))
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


class _Reads:
    """Keeps all logits; reads the probe at every `stride`-th position, never for stride 0."""

    def __init__(self, probe: Probe, stride: int) -> None:
        self.places, self.stride, self.logits, self._probe = probe.probe_tokens, stride, [], probe
        self._weights: Any = read_weights(probe.merged(), torch.float32)

    def running(self, view: CacheView, logits: Tensor) -> Tensor:
        self.logits.append(logits.clone())
        if self.stride and view.fed % self.stride == 0:
            view.read(self._weights, self._probe.embedding.detach(), self.places)
        return torch.ones(len(view.rows), dtype=torch.bool)

    def ended(self, view: CacheView) -> None:
        pass


@PROPERTY
@given(model=MODELS, probe_tokens=st.sampled_from([1, 3, 8]), stride=st.integers(1, 4))
def test_the_batched_decoder_generates_the_same_bits_however_often_it_is_probed(
    model: PreTrainedModel, probe_tokens: int, stride: int
) -> None:
    probe = shaken_probe(model, probe_tokens)
    prompts = [list(trace.prompt) for trace, _ in product(random_traces(3, seed=5), range(2))]
    watchers = [_Reads(probe, every) for every in (0, stride)]
    params = SamplingParams(max_new_tokens=8, temperature=1.0, eos_token_ids=frozenset({3, 4}), batch_size=4)
    plain, probed = (FastBackend().generate(model, prompts, params, each) for each in watchers)
    assert plain == probed
    assert all(torch.equal(*pair) for pair in zip(*(each.logits for each in watchers), strict=True))
