"""The Fisher mask: what is sampled, what is measured on it, and which entries follow."""

import numpy as np
import pytest
import torch
from method_runs import array, attested, problems, prompts
from tiny_models import batch, llama, tied_qwen
from torch import nn

from rlvr_bench.methods import MethodError, create
from rlvr_bench.methods.base.method import LINEAR_TARGETS
from rlvr_bench.methods.base.targets import linear_targets
from rlvr_bench.methods.masks import fisher
from rlvr_bench.methods.masks.fisher import Completion


class TwoMatrices(nn.Module):
    """Embedding (5, 3), two linear layers with a tanh between; the toy whose Fisher is worked out by hand below."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.embed = nn.Embedding(5, 3)
        self.first, self.second = nn.Linear(3, 4, bias=False), nn.Linear(4, 5, bias=False)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed

    def forward(self, input_ids, use_cache):
        return type("Output", (), {"logits": self.second(torch.tanh(self.first(self.embed(input_ids))))})


def by_hand(model: TwoMatrices, token_ids: list[int], prompt: int) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of log p(completion | prompt) in both matrices, token by token, in numpy."""
    embed, first, second = array(model.embed.weight), array(model.first.weight), array(model.second.weight)
    by_first, by_second = np.zeros_like(first), np.zeros_like(second)
    for position in range(prompt - 1, len(token_ids) - 1):
        x = embed[token_ids[position]]
        hidden = np.tanh(first @ x)
        odds = np.exp(second @ hidden)
        error = np.eye(5)[token_ids[position + 1]] - odds / odds.sum()
        by_second += np.outer(error, hidden)
        by_first += np.outer((second.T @ error) * (1 - hidden**2), x)
    return by_first, by_second


def test_the_diagonal_is_the_mean_square_worked_out_by_hand():
    model = TwoMatrices()
    texts = [([1, 4, 2, 0], 1), ([3, 3, 1], 2), ([0, 1, 2, 3, 4, 0], 4)] * 4  # more than one batch, unequal lengths
    completions = [Completion(torch.tensor(ids), prompt) for ids, prompt in texts]
    got = fisher.diagonal(model, ["first", "second"], completions)
    gradients = [by_hand(model, ids, prompt) for ids, prompt in texts]
    for path, place in (("first", 0), ("second", 1)):
        wanted = np.mean([pair[place] ** 2 for pair in gradients], axis=0)
        np.testing.assert_allclose(got[path].double().numpy(), wanted, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("make", [llama, tied_qwen])
def test_on_a_model_it_is_the_mean_square_of_autograds_gradients(make):
    model, reference = make(), make()
    completions = fisher.sample(model, prompts(10), 5, seed=0)
    paths = linear_targets(model, LINEAR_TARGETS)
    got = fisher.diagonal(model, paths, completions)
    wanted = dict.fromkeys(paths, 0.0)
    for completion in completions:
        reference.zero_grad()
        ids, start = completion.token_ids, completion.prompt_tokens
        log_probs = reference(input_ids=ids[None]).logits[0].log_softmax(-1)
        for position in range(start, len(ids)):
            log_probs[position - 1, ids[position]].backward(retain_graph=True)
        for path in paths:
            wanted[path] += array(reference.get_submodule(path).weight.grad) ** 2 / len(completions)
    for path in paths:
        np.testing.assert_allclose(array(got[path]), wanted[path], rtol=2e-3, atol=1e-9)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in model.parameters())


def test_completions_start_with_their_prompt_and_end_with_the_text():
    model = llama()
    with torch.no_grad():
        model.lm_head.weight[2] *= 40  # the end of a text, often
    given = prompts(40)
    completions = fisher.sample(model, given, 6, seed=0)
    lengths = set()
    for prompt, completion in zip(given, completions, strict=True):
        ids = completion.token_ids.tolist()
        assert ids[: completion.prompt_tokens] == prompt
        sampled = ids[len(prompt) :]
        assert 2 not in sampled[:-1] and (len(sampled) == 6 or sampled[-1] == 2)
        lengths.add(len(sampled))
    assert len(lengths) > 2


def test_samples_are_the_models_own_at_temperature_one_without_truncation():
    model = llama()
    model.generation_config.update(do_sample=True, top_k=3, temperature=0.1, repetition_penalty=2.0)
    shipped = model.generation_config
    count = 4000
    completions = fisher.sample(model, [[5, 6, 7]] * count, 1, seed=0)
    seen = np.bincount([int(done.token_ids[-1]) for done in completions], minlength=64)
    with torch.no_grad():
        expected = count * array(model(input_ids=torch.tensor([[5, 6, 7]])).logits[0, -1].double().softmax(-1))
    chi_square = ((seen - expected) ** 2 / expected).sum()
    assert chi_square < 63 + 5 * np.sqrt(2 * 63)
    assert model.generation_config is shipped


def test_the_seed_alone_decides_what_is_sampled():
    model = llama()
    torch.manual_seed(1)
    one = fisher.sample(model, prompts(), 8, seed=3)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    again = fisher.sample(model, prompts(), 8, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    other = fisher.sample(model, prompts(), 8, seed=4)
    assert all(torch.equal(a.token_ids, b.token_ids) for a, b in zip(one, again, strict=True))
    assert not all(torch.equal(a.token_ids[: len(b.token_ids)], b.token_ids) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("make", [llama, tied_qwen, lambda: llama().to(torch.bfloat16)])
def test_the_mask_takes_the_largest_and_is_attested(make):
    method = create({"type": "mask", "select": "fisher", "density": 0.2, "fisher_tokens": 4})
    handle, record = attested(method, make=make)
    assert record.valid, record.problems
    assert record.realised["fisher_prompts"] == 6
    paths = [path for path, _ in handle.masked_layers()]
    diagonal = fisher.diagonal(make(), paths, handle.completions)
    for path, layer in handle.masked_layers():
        information = diagonal[path].flatten().tolist()
        ascending = sorted(range(len(information)), key=information.__getitem__)
        assert sorted(ascending[-round(0.2 * len(information)) :]) == layer.index.tolist()


def test_without_prompts_it_is_refused():
    method = create({"type": "mask", "select": "fisher"})
    assert method.needs_calibration and not create({"type": "mask", "select": "safe"}).needs_calibration
    for calibration in (None, [], [[3, 4], []]):
        with pytest.raises(MethodError, match="give attach their token ids"):
            method.attach(llama(), seed=0, calibration=calibration)


def test_masks_that_were_not_measured_are_caught():
    method = create({"type": "mask", "select": "fisher", "density": 0.2})
    _, record = attested(method, create({"type": "mask", "select": "random", "density": 0.2}))
    assert "no Fisher information was measured" in problems(record)
    handle = method.attach(llama(), seed=0, calibration=prompts())
    path, layer = handle.masked_layers()[-1]
    layer.move_mask(torch.arange(len(layer.index)))
    found = method.problems_at_start(handle, None)
    assert f"entries of the mask of {path} are not in the fisher set" in found[0]
    assert not layer.weight.requires_grad


def test_attaching_leaves_the_training_flag_and_no_gradient():
    model = llama().train()
    handle = create({"type": "mask", "select": "fisher", "density": 0.2}).attach(model, seed=0, calibration=prompts())
    assert handle.model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    handle.model(input_ids=batch(), labels=batch()).loss.backward()
    assert all(parameter.grad is not None for _, parameter in handle.trainable())
