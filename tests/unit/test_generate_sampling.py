"""Noise and the draw of one token: no model."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rlvr_bench.generate.sampling import row_keys, sample_tokens, uniforms

PROMPTS = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=4), min_size=1, max_size=12)


@given(PROMPTS, st.integers(0, 2**31), st.randoms())
def test_a_row_keeps_its_key_wherever_it_stands(prompts, seed, random):
    expected = dict(zip(_occurrences(prompts), row_keys(prompts, seed), strict=True))
    shuffled = list(prompts)
    random.shuffle(shuffled)
    assert dict(zip(_occurrences(shuffled), row_keys(shuffled, seed), strict=True)) == expected
    assert len(set(row_keys(prompts, seed).tolist())) == len(prompts)


def _occurrences(prompts):
    seen = {}
    for prompt in prompts:
        number = seen[tuple(prompt)] = seen.get(tuple(prompt), -1) + 1
        yield tuple(prompt), number


def test_another_seed_is_other_noise():
    assert not set(row_keys([[1], [2]], seed=0)) & set(row_keys([[1], [2]], seed=1))


def test_noise_is_splitmix64():
    # The reference outputs of SplitMix64 for seed 1234567 (Vigna's splitmix64.c; also in Rosetta Code).
    reference = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    got = uniforms(np.array([1234567], dtype=np.uint64), 3)[0]
    assert got.tolist() == [((number >> 40) + 1) / 2**24 for number in reference]


def test_noise_is_uniform_and_independent_between_rows_and_places():
    noise = uniforms(row_keys([[1, 2]] * 400, seed=7), 50).double().numpy()
    assert noise.min() > 0.0
    assert noise.max() <= 1.0
    assert stats.kstest(noise.ravel(), "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[:, :-1].ravel(), noise[:, 1:].ravel())[0, 1]) < 0.03


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=40), st.floats(2**-24, 1.0), st.floats(0.1, 3.0))
def test_a_draw_is_the_inverse_of_the_cumulative_distribution(row, noise, temperature):
    logits = torch.tensor([row])
    tokens, probabilities, _ = sample_tokens(logits, temperature, torch.tensor([noise]))
    token = tokens.item()
    exact = torch.softmax(logits.double() / temperature, -1)[0]
    below, upto = exact[:token].sum().item(), exact[: token + 1].sum().item()
    assert below - 1e-5 <= noise <= upto + 1e-5
    assert probabilities.item() > 0.0
    assert abs(probabilities.item() - exact[token].item()) < 1e-5


def test_a_token_of_probability_zero_is_never_drawn():
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]]).expand(2, -1)
    tokens, _, _ = sample_tokens(logits, 1.0, torch.tensor([2.0**-24, 1.0]))
    assert tokens.tolist() == [1, 2]


def test_temperature_zero_takes_the_most_likely_token():
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    tokens, probabilities, _ = sample_tokens(logits, 0.0, torch.tensor([0.01]))
    assert tokens.tolist() == [1]
    assert torch.allclose(probabilities, torch.softmax(logits, -1)[:, 1])
