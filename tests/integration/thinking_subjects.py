"""Tiny decoders, traces and probes that the verification tests share."""

import random
from collections.abc import Iterable, Sequence

import pytest
import torch
from generate_models import VOCABULARY, tiny_model
from transformers import (
    DynamicCache,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedModel,
)

from rlvr_bench.thinking.batch import collate
from rlvr_bench.thinking.probe import Probe
from rlvr_bench.thinking.settings import Reach
from rlvr_bench.thinking.trace import Trace, positions

OTHERS = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=48, n_layer=2, n_head=4, n_positions=128)),
    "gpt-neox": lambda: GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=VOCABULARY,
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=80,
            max_position_embeddings=128,
        )
    ),
}
ARCHITECTURES = ["llama, tied", "llama, biases, llama3 rope", "qwen2", "qwen3", *OTHERS]


def subject(name: str) -> PreTrainedModel:
    """A random model of `generate_models`, or of an architecture that the fast path does not know."""
    if name not in OTHERS:
        return tiny_model(name)
    torch.manual_seed(0)
    return OTHERS[name]().eval()


def shaken_probe(model: PreTrainedModel, probe_tokens: int, rank: int = 3, reach: Reach | None = None) -> Probe:
    """A probe whose LoRA, embedding and head are not at their start."""
    probe = Probe(model, probe_tokens, rank, seed=0, reach=reach)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in probe.trained().values():
            tensor.add_(torch.randn(tensor.shape, generator=source) * 0.2)
    return probe


def read_in_turn(probe: Probe, model: PreTrainedModel, trace: Trace, places: Iterable[int]) -> list[float]:
    """The probe's logits at `places`, which are every one from the first on, as `model` is fed token by token."""
    cache, read = DynamicCache(), list[float]()
    model(input_ids=torch.tensor([trace.prompt]), past_key_values=cache)
    for place in places:
        model(input_ids=torch.tensor([[trace.tokens[place - 1]]]), past_key_values=cache)
        read.append(probe.read(cache, torch.tensor([[len(trace.prompt) + place]])).item())
    return read


def random_traces(count: int, seed: int = 0, longest: int = 14) -> list[Trace]:
    """Traces of random tokens (none of 0 to 4), two of a problem."""
    source = random.Random(seed)
    traces = []
    for number in range(count):
        if number % 2 == 0:
            prompt = tuple(source.randrange(5, VOCABULARY) for _ in range(source.randint(1, 9)))
        tokens = tuple(source.randrange(5, VOCABULARY) for _ in range(source.randint(2, longest)))
        traces.append(
            Trace(f"{number // 2:016x}", number % 2, prompt, tokens, "", "1", number % 3 == 0, "correct", False)
        )
    return traces


def assert_read_alike(probe: Probe, model: PreTrainedModel, traces: Sequence[Trace]) -> None:
    """One pass over all traces says at every token what reading them token by token says, and not the same of all."""
    places = [positions(trace.fed, 1) for trace in traces]
    parallel = probe.logits(collate(traces, places, model.device))
    for row, trace in enumerate(traces):
        in_turn = read_in_turn(probe, model, trace, places[row])
        assert parallel[row, : len(in_turn)].tolist() == pytest.approx(in_turn, abs=1e-4)
    assert parallel.std() > 1e-2
