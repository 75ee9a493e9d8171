"""Reading a running cache: nothing is changed by it, and it says what the parallel pass says."""

import pytest
import torch
from generate_models import mixed_prompts, tiny_model
from thinking_subjects import ARCHITECTURES, assert_read_alike, random_traces, shaken_probe, subject
from torch import Tensor
from transformers import DynamicCache, MistralConfig, MistralForCausalLM

from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.monitor import CacheView
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.thinking.batch import collate
from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.probe import Probe, check_window
from rlvr_bench.thinking.trace import positions


@pytest.mark.parametrize("probe_tokens", [1, 3])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_parallel_pass_says_what_probing_token_by_token_says(name: str, probe_tokens: int) -> None:
    model, traces = subject(name), random_traces(5)
    probe = shaken_probe(model, probe_tokens)
    with torch.no_grad():
        assert_read_alike(probe, model, traces)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_logits_are_bit_identical_with_and_without_a_probe(name: str) -> None:
    model = subject(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    prompts = torch.tensor([mixed_prompts(1, 1)[0] + [7, 8, 9]] * 3)
    seen = torch.full((3, 1), prompts.shape[1])

    def generated(probed: bool) -> list[Tensor]:
        cache, fed, logits = DynamicCache(), prompts, []
        probe = shaken_probe(model, 2)
        for step in range(6):
            logits.append(model(input_ids=fed, past_key_values=cache).logits[:, -1])
            if probed:
                probe.read(cache, seen + step)
            fed = logits[-1].argmax(dim=-1, keepdim=True)
        return logits

    with torch.no_grad():
        assert all(torch.equal(*pair) for pair in zip(generated(False), generated(True), strict=True))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


class _Reader:
    """Lets every row run; reads it before each token and at its end."""

    def __init__(self, probe: Probe) -> None:
        self.places, self._probe, self._weights = probe.probe_tokens, probe, None
        self.scores: dict[tuple[int, int], float] = {}
        self.logits: list[Tensor] = []

    def running(self, view: CacheView, logits: Tensor) -> Tensor:
        self.logits.append(logits.clone())
        self._read(view)
        return torch.ones(len(view.rows), dtype=torch.bool)

    def ended(self, view: CacheView) -> None:
        self._read(view)

    def _read(self, view: CacheView) -> None:
        from rlvr_bench.generate.decoder_weights import read_weights

        if self._weights is None:
            self._weights = read_weights(self._probe.merged(), torch.float32)
        hidden = view.read(self._weights, self._probe.embedding, self._probe.probe_tokens)
        for row, score in zip(view.rows.tolist(), self._probe.scored(hidden).tolist(), strict=True):
            self.scores[row, view.fed] = score


class _Watcher(_Reader):
    def _read(self, view: CacheView) -> None:
        pass


@pytest.mark.parametrize("name", ["llama, tied", "llama, biases, llama3 rope", "qwen2", "qwen3"])
def test_the_live_decoder_reads_the_same_scores_and_generates_the_same_bits(name: str) -> None:
    model, prompts = tiny_model(name), mixed_prompts(4, 3)
    probe = shaken_probe(model, 2)
    reader, watcher = _Reader(probe), _Watcher(probe)
    params = SamplingParams(
        max_new_tokens=9, temperature=1.0, seed=0, eos_token_ids=frozenset({3, 4, 5, 6}), batch_size=6
    )
    read, plain = (FastBackend().generate(model, prompts, params, monitor) for monitor in (reader, watcher))
    assert read == plain
    assert all(torch.equal(*pair) for pair in zip(reader.logits, watcher.logits, strict=True))
    assert read.token_ids == FastBackend().generate(model, prompts, params).token_ids
    for row, tokens in enumerate(read.token_ids):
        trace = random_traces(1)[0]
        trace = type(trace)("x", 0, tuple(prompts[row]), tuple(tokens), "", None, False, "wrong", False)
        places = [0, *positions(trace.fed, 1)] if trace.fed else [0]
        with torch.no_grad():
            scores = probe.logits(collate([trace], [places], model.device))[0].tolist()
        assert [reader.scores[row, place] for place in places] == pytest.approx(scores, abs=1e-4)


def test_a_context_or_window_that_is_too_short_is_refused() -> None:
    sizes = {"vocab_size": 61, "hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = MistralForCausalLM(MistralConfig(**sizes, num_key_value_heads=2, intermediate_size=80, sliding_window=16))
    check_window(model, 16)
    with pytest.raises(ThinkingError, match="17 tokens, the model's sliding window is 16"):
        check_window(model, 17)
    with pytest.raises(ThinkingError, match="context is 256"):
        check_window(tiny_model(), 300)
