"""Steering vectors: added to a layer's output, merged as a bias."""

import pytest
import torch
from method_runs import array, attested, problems, run, weights
from tiny_models import SIZE, batch, llama, tied_qwen
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.generate.hf import HfBackend
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.attestation import begin, observe
from rlvr_bench.methods.base.plain import fill, last_logits

STEERING = create({"type": "steering"})
MODELS = pytest.mark.parametrize("make", [llama, tied_qwen])


def biased_llama():
    """Llama whose feed-forward layers have biases of their own."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SIZE, mlp_bias=True))
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(parameter, std=0.1)
    return model


def pushed_logits(model, vectors):
    """Logits of `model` whose decoder layers hand on their output plus a vector each."""
    hooks = [
        layer.register_forward_hook(lambda _, __, output, vector=vector: output + vector)
        for layer, vector in zip(model.model.layers, vectors, strict=True)
    ]
    logits = last_logits(model, batch())
    for hook in hooks:
        hook.remove()
    return logits


@pytest.mark.parametrize("make", [llama, tied_qwen, biased_llama])
def test_a_trained_vector_is_added_to_what_its_layer_hands_on(make):
    base, handle = make(), STEERING.attach(make(), seed=0)
    assert torch.equal(last_logits(handle.model, batch()), last_logits(base, batch()))
    run(handle, steps=3, learning_rate=0.1)
    vectors = [parameter.detach() for _, parameter in handle.trainable()]
    assert [tuple(vector.shape) for vector in vectors] == [(32,), (32,)]
    assert all(vector.abs().mean() > 0.1 for vector in vectors)
    torch.testing.assert_close(last_logits(handle.model, batch()), pushed_logits(base, vectors), rtol=0, atol=1e-5)


@pytest.mark.parametrize("make", [llama, tied_qwen, biased_llama, lambda: llama().to(torch.bfloat16)])
def test_an_honest_run_is_valid_and_no_weight_moves(make):
    base = make()
    before = weights(base)
    handle, record = attested(STEERING, make=lambda: base, weight_decay=0.1)
    assert record.valid, record.problems
    assert record.trainable_parameters == 64
    for name, tensor in handle.view.tensors(handle.live, handle.unwrapped):
        assert torch.equal(tensor, before[name]), name
    effective = dict(handle.effective_weights())
    added = {f"model.layers.{n}.mlp.down_proj.bias" for n in (0, 1)}
    assert effective.keys() == before.keys() | added
    for name in before.keys() - added:
        assert torch.equal(effective[name], before[name].float())


@pytest.mark.parametrize("make", [llama, tied_qwen, biased_llama, lambda: llama().to(torch.bfloat16)])
def test_rollouts_run_on_a_plain_model_with_biases_that_go_again(make):
    handle = STEERING.attach(make(), seed=0)
    run(handle, steps=3, learning_rate=0.1)
    trained = last_logits(handle.model, batch())
    names = [name for name, _ in make().named_parameters()]
    with handle.rollout_weights() as plain:
        assert type(plain) is type(make()) and plain.dtype == make().dtype
        assert type(plain.model.layers[0].mlp.down_proj) is nn.Linear
        torch.testing.assert_close(
            last_logits(plain, batch()), trained, rtol=0, atol=2e-2 if plain.dtype != torch.float32 else 1e-6
        )
    assert [name for name, _ in handle.view.model.named_parameters()] == names
    assert torch.equal(last_logits(handle.model, batch()), trained)


@MODELS
def test_both_rollout_backends_take_the_merged_model(make):
    handle = STEERING.attach(make(), seed=0)
    run(handle, steps=3, learning_rate=0.1)
    params = SamplingParams(max_new_tokens=6, temperature=1.0, eos_token_ids=frozenset({2}), batch_size=4)
    with handle.rollout_weights() as plain:
        assert FastBackend().refusal(plain) is None
        fast, slow = (backend.generate(plain, batch().tolist(), params) for backend in (FastBackend(), HfBackend()))
    with torch.no_grad():
        texts = [prompt + done for prompt, done in zip(batch().tolist(), fast.token_ids, strict=True)]
        for text, prompt, logprobs in zip(texts, batch().tolist(), fast.logprobs, strict=True):
            own = handle.model(input_ids=torch.tensor([text])).logits[0].log_softmax(-1)
            sampled = [own[place - 1, text[place]].item() for place in range(len(prompt), len(text))]
            assert logprobs == pytest.approx(sampled, abs=1e-4)
    assert fast.token_ids == slow.token_ids


@MODELS
def test_effective_weights_fill_a_plain_model(make):
    handle = STEERING.attach(make(), seed=0)
    run(handle, steps=3, learning_rate=0.1)
    plain = make()
    assert fill(plain, dict(handle.effective_weights())) == []
    torch.testing.assert_close(last_logits(plain, batch()), last_logits(handle.model, batch()), rtol=0, atol=1e-6)
    assert fill(make(), {"model.nothing.weight": torch.zeros(1), "model.norm.bias": torch.zeros(32)}) == [
        "model.nothing.weight",
        "model.norm.bias",
    ]


def test_export_and_load_give_the_same_logits(tmp_path):
    handle = STEERING.attach(llama(), seed=0)
    run(handle, steps=3, learning_rate=0.1)
    handle.export(tmp_path)
    again = STEERING.attach(llama(), seed=0)
    again.load(tmp_path)
    assert torch.equal(last_logits(again.model, batch()), last_logits(handle.model, batch()))


@pytest.mark.parametrize("targets", [["up_proj"], ["o_proj", "down_proj"], ["k_proj"]])
def test_targets_that_do_not_end_a_layer_are_refused(targets):
    with pytest.raises(MethodError, match="set targets to the module that ends a layer, such as down_proj") as caught:
        create({"type": "steering", "targets": targets}).attach(llama(), seed=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("target", ["o_proj", "q_proj"])
def test_a_vector_added_elsewhere_is_caught(target):
    _, record = attested(create({"type": "steering", "targets": [target]}))
    assert "the vectors are not added to the layers' outputs" in problems(record)


def test_other_starts_and_methods_are_caught():
    base = llama()
    observation = observe(base, STEERING)
    handle = STEERING.attach(base, seed=0)
    with torch.no_grad():
        handle.trainable()[1][1][3] = 1e-3
    assert "a steering vector does not start at 0" in problems(begin(STEERING, handle, observation))
    _, record = attested(STEERING, create({"type": "svf"}))
    assert "what is trained is not one vector of 32 values for each of 2 layers" in problems(record)
    _, record = attested(STEERING, create({"type": "full", "layers": [0]}))
    assert "what is trained is not one vector" in problems(record)


def test_the_start_check_leaves_the_vectors_at_zero():
    base = llama()
    observation = observe(base, STEERING)
    handle = STEERING.attach(base, seed=0)
    begin(STEERING, handle, observation)
    assert not any(array(parameter).any() for _, parameter in handle.trainable())
    assert not any(module._forward_hooks for module in handle.view.model.modules())
