"""What an update does at the strategy fork, against the loss that it comes from."""

import pytest
import torch
from torch import Tensor

from rlvr_bench.stats.clip_drift import Clip
from rlvr_bench.train.fork import Fork, fork_metrics, log_odds

WORKED = torch.tensor([True, False, True, False, True])
ADVANTAGES = torch.tensor([1.0, 1.0, -1.0, -1.0, 0.0])
CLIP = Clip(0.1, 0.1)


def first_tokens(z: Tensor) -> Tensor:
    """Log-probabilities of the chosen first tokens of a policy whose log-odds of worked steps are z."""
    return torch.nn.functional.logsigmoid(torch.where(WORKED, z, -z))


def surrogate(z: Tensor, old: Tensor, low: float, high: float) -> Tensor:
    ratio = torch.exp(first_tokens(z) - old)
    return torch.minimum(ratio * ADVANTAGES, ratio.clamp(1 - low, 1 + high) * ADVANTAGES).mean()


def gradient(z: float, old: Tensor, low: float, high: float) -> float:
    at = torch.tensor(z, requires_grad=True)
    surrogate(at, old, low, high).backward()
    return float(at.grad or 0.0)


@pytest.mark.parametrize("moved", [-0.6, 0.05, 0.6])
def test_clip_drift_is_what_clipping_adds_to_the_gradient(moved: float) -> None:
    old = first_tokens(torch.tensor(0.5))
    found = fork_metrics(Fork(old, first_tokens(torch.tensor(0.5 + moved)), ADVANTAGES, WORKED), CLIP)
    free = gradient(0.5 + moved, old, 1.0, 1e9)
    assert found["fork/clip_drift_low"] == pytest.approx(gradient(0.5 + moved, old, 0.1, 1e9) - free, abs=1e-6)
    assert found["fork/clip_drift_high"] == pytest.approx(gradient(0.5 + moved, old, 1.0, 0.1) - free, abs=1e-6)
    assert found["fork/log_odds"] == pytest.approx(0.5, abs=1e-5)
    assert found["fork/log_odds_spread"] == pytest.approx(abs(moved), abs=1e-5)
    p = torch.sigmoid(torch.tensor(0.5)).item()
    assert found["fork/variance"] == pytest.approx(p * (1 - p), abs=1e-6)


def test_shares_of_clipped_first_tokens_are_of_all_completions() -> None:
    old = first_tokens(torch.tensor(0.0))
    found = fork_metrics(Fork(old, first_tokens(torch.tensor(0.6)), ADVANTAGES, WORKED), CLIP)
    # Up go the worked ones, of which one is rewarded; down the others, of which one is punished.
    assert (found["clip_ratio/fork_high"], found["clip_ratio/fork_low"]) == pytest.approx((0.2, 0.2))
    assert fork_metrics(Fork(old, old, ADVANTAGES, WORKED), CLIP)["clip_ratio/fork_high"] == 0
    one_side = fork_metrics(Fork(old, first_tokens(torch.tensor(0.6)), ADVANTAGES, WORKED), Clip(None, 0.1))
    assert (one_side["clip_ratio/fork_high"], one_side["clip_ratio/fork_low"]) == pytest.approx((0.2, 0.0))


def test_log_odds_of_certain_tokens_are_finite() -> None:
    assert torch.isfinite(log_odds(torch.tensor([0.0, -200.0]))).all()
    assert log_odds(torch.tensor([0.25]).log()).item() == pytest.approx(-1.0986, abs=1e-4)
