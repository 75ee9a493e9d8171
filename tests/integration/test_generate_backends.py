"""The fast path against transformers' `generate`, and both against exact probabilities."""

from dataclasses import replace

import pytest
import torch
from generate_models import CONFIGS, VOCABULARY, mixed_prompts, tiny_model
from peft import LoraConfig, get_peft_model
from scipy import stats
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import create, create_for
from rlvr_bench.generate.errors import GenerationError
from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.hf import HfBackend
from rlvr_bench.generate.sampling import row_keys, uniforms
from rlvr_bench.generate.sampling_params import SamplingParams

SAMPLED = SamplingParams(
    max_new_tokens=24, temperature=1.0, seed=3, eos_token_ids=frozenset({1, 2, 3}), pad_token_id=0, batch_size=11
)
GREEDY = replace(SAMPLED, temperature=0.0)
PROMPTS = mixed_prompts()


def _largest_difference(one, other):
    return max(abs(a - b) for left, right in zip(one, other, strict=True) for a, b in zip(left, right, strict=True))


def _boundary_distance(model, temperature, row, one, other):
    """How far the noise of the first different token lies from the boundary between the two choices."""
    place = next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    with torch.no_grad():
        logits = model(torch.tensor([PROMPTS[row] + one[:place]])).logits[0, -1].double()
    if temperature == 0.0:
        return abs(logits[one[place]] - logits[other[place]]).item()
    lower = min(one[place], other[place])
    boundary = torch.softmax(logits / temperature, -1)[: lower + 1].sum()
    return abs(boundary - uniforms(row_keys(PROMPTS, SAMPLED.seed)[row : row + 1], place + 1)[0, place]).item()


@pytest.fixture(params=["exact rows", "whole blocks"])
def rows(request, monkeypatch):
    """Products of exactly the rows that are left, and of blocks that rows fill which have ended."""
    if request.param == "whole blocks" and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(matmul, "library", lambda: "onednn" if request.param == "whole blocks" else "blas")
    monkeypatch.setattr(matmul, "MIN_MULTIPLICATIONS", 1)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("temperature", [0.0, 1.0, 0.7])
def test_fast_equals_the_reference_token_by_token(config, temperature):
    model = tiny_model(config)
    reference = HfBackend().generate(model, PROMPTS, replace(SAMPLED, temperature=temperature))
    fast = FastBackend().generate(model, PROMPTS, replace(SAMPLED, temperature=temperature))
    same = [row for row in range(len(PROMPTS)) if fast.token_ids[row] == reference.token_ids[row]]
    assert [fast.truncated[row] for row in same] == [reference.truncated[row] for row in same]
    assert _largest_difference([fast.logprobs[row] for row in same], [reference.logprobs[row] for row in same]) < 1e-4
    if temperature == 1.0:
        assert set(fast.truncated) == {True, False}, "the request has to exercise both ends of a row"
    # Rounding may put a draw on the other side of a boundary between two tokens; nothing else may differ.
    different = set(range(len(PROMPTS))) - set(same)
    assert len(different) <= 1
    for row in different:
        assert _boundary_distance(model, temperature, row, fast.token_ids[row], reference.token_ids[row]) < 1e-4


def test_the_reference_is_what_transformers_decodes_greedily():
    model = tiny_model()
    prompt = PROMPTS[0]
    expected = model.generate(
        torch.tensor([prompt]), max_new_tokens=24, do_sample=False, eos_token_id=[1, 2, 3], pad_token_id=0
    )[0, len(prompt) :].tolist()
    assert HfBackend().generate(model, [prompt], GREEDY).token_ids == [expected]


@pytest.mark.parametrize("name", ["hf", "fast", "continuous"])
def test_logprobs_are_those_of_a_plain_forward_pass(name):
    model, temperature = tiny_model("qwen2"), 0.7
    completions = create(name).generate(model, PROMPTS, replace(SAMPLED, temperature=temperature))
    for prompt, tokens, logprobs in zip(PROMPTS, completions.token_ids, completions.logprobs, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
        exact = torch.log_softmax(logits / temperature, -1).gather(1, torch.tensor(tokens).unsqueeze(1)).squeeze(1)
        assert torch.allclose(torch.tensor(logprobs), exact, atol=1e-4)


@pytest.mark.parametrize("name", ["hf", "fast", "continuous"])
def test_samples_follow_the_exact_distribution(name):
    model, prompt, rows, temperature = tiny_model(deviation=0.08), [7, 9], 4000, 0.8
    params = SamplingParams(max_new_tokens=2, temperature=temperature, seed=3, batch_size=rows)
    completions = create(name).generate(model, [prompt] * rows, params)
    with torch.no_grad():
        first = torch.softmax(model(torch.tensor([prompt])).logits[0, -1].double() / temperature, -1)
        contexts = torch.tensor([[*prompt, token] for token in range(VOCABULARY)])
        second = torch.softmax(model(contexts).logits[:, -1].double() / temperature, -1)
    exact = (first.unsqueeze(1) * second).flatten()
    counts = torch.zeros(VOCABULARY**2, dtype=torch.float64)
    for one, two in completions.token_ids:
        counts[one * VOCABULARY + two] += 1
    # Pairs expected fewer than five times are put together, as the chi-square test needs it.
    often = exact * rows >= 5
    observed = [*counts[often].tolist(), counts[~often].sum().item()]
    expected = [*(exact[often] * rows).tolist(), (exact[~often] * rows).sum().item()]
    assert len(observed) > 50
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@pytest.mark.parametrize("name", ["hf", "fast"])
def test_a_row_does_not_depend_on_the_rest_of_the_call(name):
    model, backend = tiny_model("llama, untied, grouped queries"), create(name)
    whole = backend.generate(model, PROMPTS, SAMPLED)
    backwards = backend.generate(model, [*reversed(PROMPTS[::3])], replace(SAMPLED, batch_size=2))
    assert list(reversed(backwards.token_ids)) == whole.token_ids[::3]
    alone = backend.generate(model, PROMPTS[6:9], SAMPLED)
    assert alone.token_ids == whole.token_ids[6:9]


@pytest.mark.parametrize("name", ["hf", "fast"])
def test_the_seed_decides_and_the_global_generator_does_not(name):
    model, backend = tiny_model(), create(name)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = backend.generate(model, PROMPTS, SAMPLED)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert backend.generate(model, PROMPTS, SAMPLED) == first
    other = backend.generate(model, PROMPTS, replace(SAMPLED, seed=4))
    assert other.token_ids != first.token_ids
    assert first.token_ids[0] != first.token_ids[1], "samples of one prompt are different samples"


@pytest.mark.parametrize("name", ["hf", "fast"])
def test_eos_ends_a_row_and_stays_in_it(name):
    completions = create(name).generate(tiny_model(), PROMPTS, SAMPLED)
    for tokens, logprobs, truncated in zip(
        completions.token_ids, completions.logprobs, completions.truncated, strict=True
    ):
        assert len(logprobs) == len(tokens)
        assert not {1, 2, 3} & set(tokens[:-1])
        assert truncated == (tokens[-1] not in {1, 2, 3})
        assert len(tokens) == 24 if truncated else len(tokens) <= 24


@pytest.mark.parametrize("name", ["hf", "fast"])
def test_an_eos_at_the_last_place_is_no_truncation(name):
    model = tiny_model()
    free = create(name).generate(model, [PROMPTS[0]], replace(GREEDY, eos_token_ids=frozenset()))
    assert free.truncated == [True]
    last = free.token_ids[0][4]
    limit = free.token_ids[0].index(last) + 1
    params = replace(GREEDY, eos_token_ids=frozenset({last}), max_new_tokens=limit)
    ended = create(name).generate(model, [PROMPTS[0]], params)
    assert ended.token_ids == [free.token_ids[0][:limit]]
    assert ended.truncated == [False]


def test_generation_leaves_the_model_as_it_was():
    model = tiny_model().train()
    model.model.layers[0].eval()
    model.generation_config.repetition_penalty = 5.0
    shipped, weights = model.generation_config, {name: value.clone() for name, value in model.state_dict().items()}
    plain = HfBackend().generate(tiny_model(), PROMPTS, SAMPLED)
    for name in ("hf", "fast"):
        assert create(name).generate(model, PROMPTS, SAMPLED).token_ids == plain.token_ids
    assert model.generation_config is shipped
    assert model.training
    assert not model.model.layers[0].training
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    model(torch.tensor([[5, 6]])).logits.sum().backward()


@pytest.mark.parametrize("name", ["fast", "hf"])
def test_bfloat16_stays_near_float32(name):
    model = tiny_model("qwen3", deviation=0.05)
    exact = create_for(name, model).generate(model, PROMPTS, SAMPLED)
    rounded = create_for(name, model, torch.bfloat16).generate(model, PROMPTS, SAMPLED)
    assert rounded.logprobs != exact.logprobs
    same_start = [
        (a[0], b[0])
        for a, b, x, y in zip(exact.logprobs, rounded.logprobs, exact.token_ids, rounded.token_ids, strict=True)
        if x[0] == y[0]
    ]
    assert len(same_start) > 20
    assert max(abs(a - b) for a, b in same_start) < 0.05


SIZES = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def _sliding():
    return Qwen2ForCausalLM(Qwen2Config(**SIZES, use_sliding_window=True, sliding_window=4, max_window_layers=0))


def _dynamic():
    rope = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    return LlamaForCausalLM(LlamaConfig(**SIZES, rope_parameters=rope))


def _unmerged():
    return get_peft_model(
        LlamaForCausalLM(LlamaConfig(**SIZES)), LoraConfig(target_modules=["q_proj"])
    ).base_model.model


def _hooked():
    model = LlamaForCausalLM(LlamaConfig(**SIZES))
    model.model.layers[0].mlp.register_forward_hook(lambda *_: None)
    return model


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GPT2LMHeadModel(GPT2Config(n_embd=16, n_layer=1, n_head=2, vocab_size=32)), "got GPT2LMHeadModel"),
        (lambda: LlamaForCausalLM(LlamaConfig(**SIZES, hidden_act="gelu")), "got 'gelu'"),
        (_sliding, "sliding-window"),
        (_dynamic, "got 'dynamic'"),
        (_unmerged, "q_proj' is a peft\\..*\\.Linear; merge adapters"),
        (_hooked, "with a forward hook"),
        (lambda: LlamaForCausalLM(LlamaConfig(**SIZES)).to("meta"), "on meta"),
    ],
)
def test_the_fast_path_refuses_what_it_would_get_wrong(build, message):
    model = build()
    with pytest.raises(GenerationError, match=message):
        FastBackend().generate(model, [[1]], GREEDY)
    with pytest.raises(GenerationError, match=message):
        create_for("fast", model)
    assert create_for("auto", model).name == "hf"


def test_auto_is_the_fast_path_where_it_can_be():
    assert create_for("auto", tiny_model()).name == "fast"
