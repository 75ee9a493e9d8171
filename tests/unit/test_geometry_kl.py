"""Gate I: the KL against scipy, its estimators against the exact value, and its growth on made-up records."""

import numpy as np
import pytest
import scipy.stats
import torch

from rlvr_bench.geometry.kl import exact_kl, sampled_kl
from rlvr_bench.geometry.kl_growth import kl_growth
from rlvr_bench.record.schema import StepRecord


def logits(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_exact_kl_is_scipys_relative_entropy_over_the_masked_tokens() -> None:
    policy, base = logits(0, 3, 5, 11), logits(1, 3, 5, 11)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
    p, q = (torch.softmax(x.double(), -1).numpy()[mask.numpy() == 1] for x in (policy, base))
    assert exact_kl(policy, base, mask) == pytest.approx(
        np.mean([scipy.stats.entropy(*each) for each in zip(p, q, strict=True)])
    )
    log_probs = torch.log_softmax(policy, -1)
    assert exact_kl(log_probs, base, mask) == pytest.approx(exact_kl(policy, base, mask), rel=1e-6)
    assert exact_kl(policy, policy, mask) == pytest.approx(0, abs=1e-12)
    assert exact_kl(policy, base, torch.zeros(3, 5)) is None


def test_both_estimators_find_the_exact_kl_within_their_errors() -> None:
    rows, length, vocabulary = 600, 8, 7
    policy = logits(2, 1, 1, vocabulary).expand(rows, length, vocabulary)
    base = policy + 0.3 * logits(3, 1, 1, vocabulary)
    mask = torch.ones(rows, length)
    mask[::3, 5:] = 0
    sampled = torch.distributions.Categorical(logits=policy[0, 0]).sample(torch.Size([rows, length]))
    own, reference = (torch.log_softmax(x, -1).gather(-1, sampled[..., None])[..., 0] for x in (policy, base))
    exact = exact_kl(policy, base, mask)
    found = sampled_kl(own, reference, mask)
    assert found.tokens == int(mask.sum())
    assert abs(found.k1 - exact) < 4 * found.k1_error and abs(found.k3 - exact) < 4 * found.k3_error
    assert found.k3_error < found.k1_error
    assert sampled_kl(own, reference, torch.zeros(rows, length)) is None
    assert sampled_kl(own[:1], reference[:1], mask[:1]).k1_error is None


def test_masked_tokens_may_hold_anything() -> None:
    own, reference = torch.tensor([[-1.0, -float("inf")]]), torch.tensor([[-1.5, 0.0]])
    found = sampled_kl(own, reference, torch.tensor([[1, 0]]))
    assert found.k1 == pytest.approx(0.5) and found.k3 == pytest.approx(np.exp(-0.5) - 1 + 0.5)


def steps(kl: list[float | None], reward: list[float | None]) -> list[StepRecord]:
    return [StepRecord(step=5 * i, kl=k, reward=r) for i, (k, r) in enumerate(zip(kl, reward, strict=True))]


def test_growth_per_step_and_per_reward() -> None:
    records = steps([0.002 * i for i in range(40)], [0.01 * i for i in range(40)])
    found = kl_growth(records)
    assert found.per_step == pytest.approx(0.0004)
    assert found.per_reward == pytest.approx(0.2)
    noisy = [0.001 * i + 0.01 * np.sin(i) for i in range(40)]
    wanted = scipy.stats.linregress(5 * np.arange(40), noisy).slope
    assert kl_growth(steps(noisy, [None] * 40)).per_step == pytest.approx(wanted)


def test_growth_that_is_not_defined() -> None:
    assert kl_growth([]).per_step is None
    assert kl_growth(steps([0.1], [0.5])) == kl_growth(steps([None, None], [0.1, 0.2]))
    falling = kl_growth(steps([0.0, 0.1, 0.2, 0.3], [0.9, 0.8, 0.7, 0.6]))
    assert falling.per_step == pytest.approx(0.02) and falling.per_reward is None
