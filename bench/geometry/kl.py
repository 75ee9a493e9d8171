"""Gate I: how far the policy is from the base, KL(policy || base).

Pure functions of log-probabilities; a forward pass is made by whoever has the models. All in nats per
token, float64.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class SampledKl:
    """Estimates from tokens that the policy sampled (Schulman 2020, "Approximating KL divergence").

    k1 = log p - log q is unbiased and may be negative; k3 = q/p - 1 - log(q/p) is unbiased, never negative and less
    noisy. `k1_error`, `k3_error` are standard errors over sequences, None for fewer than two.
    """

    k1: float
    k3: float
    k1_error: float | None
    k3_error: float | None
    tokens: int


def exact_kl(policy: Tensor, base: Tensor, mask: Tensor) -> float | None:
    """Return the mean over masked tokens of sum_v p(v) (log p(v) - log q(v)); None without a token.

    The whole next-token distribution at every position of given texts: on-policy completions or held-out ones.

    Args:
        policy, base: log-probabilities or logits, (rows, length, vocabulary).
        mask: (rows, length), true on the tokens that count.
    """
    places = mask.bool()
    if not bool(places.any()):
        return None
    log_p = torch.log_softmax(policy[places].double(), dim=-1)
    log_q = torch.log_softmax(base[places].double(), dim=-1)
    return float((log_p.exp() * (log_p - log_q)).sum(dim=-1).mean())


def sampled_kl(policy: Tensor, base: Tensor, mask: Tensor) -> SampledKl | None:
    """Estimate the KL from the log-probabilities of sampled tokens; None without a token.

    Args:
        policy, base: log-probability of each token, (rows, length), sampled from the policy at temperature 1.
        mask: (rows, length), true on completion tokens.
    """
    places = mask.bool()
    tokens = int(places.sum())
    if not tokens:
        return None
    log_ratio = torch.where(places, base.double() - policy.double(), 0.0)
    k1, k3 = -log_ratio, log_ratio.expm1() - log_ratio
    lengths = places.sum(dim=1).double()
    return SampledKl(
        k1=float(k1.sum()) / tokens,
        k3=float(k3.sum()) / tokens,
        k1_error=_ratio_error(k1.sum(dim=1), lengths),
        k3_error=_ratio_error(k3.sum(dim=1), lengths),
        tokens=tokens,
    )


def _ratio_error(totals: Tensor, lengths: Tensor) -> float | None:
    """Return the standard error of sum(totals) / sum(lengths) over rows (delta method)."""
    rows = len(totals)
    if rows < 2:
        return None
    deviations = totals - totals.sum() / lengths.sum() * lengths
    return math.sqrt(rows / (rows - 1) * float(deviations.square().sum())) / float(lengths.sum())
