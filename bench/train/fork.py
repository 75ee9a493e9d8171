"""What an update does at the strategy fork: the token where a completion takes its way, here its first one.

Model organisms choose there between worked steps and a direct answer, so that the log-odds of that choice are those of
one token. A larger model chooses over several tokens; of it these figures say what they say of any first token.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from rlvr_bench.stats.clip_drift import Clip, drift_per_completion


@dataclass(frozen=True, slots=True)
class Fork:
    """The first tokens of the completions of one update.

    Attributes:
        old: their log-probabilities before the first update on the batch, shape (completions,).
        new: those under the weights that the update starts from, same shape.
        advantages: of the completions, same shape.
        worked: whether each went on with worked steps, same shape, bool.
    """

    old: Tensor
    new: Tensor
    advantages: Tensor
    worked: Tensor


def fork_metrics(fork: Fork, clip: Clip) -> dict[str, float]:
    """Return the step metrics of an update at the fork.

    `clip_ratio/fork_low` and `_high` are shares of completions whose first token is clipped at a side, by TRL's rule.
    `fork/clip_drift_low` and `_high` are what clipping at that side adds to the gradient of the log-odds of worked
    steps, a completion: minus the mean of ratio x advantage x d log pi(token)/d log-odds over the clipped ones;
    `fork/clip_drift_expected` is what `stats.clip_drift` predicts for both from the spread. Of these log-odds at
    sampling, `fork/log_odds` is the mean and `fork/variance` that of p (1 - p); `fork/log_odds_spread` is the root mean
    square of their change between sampling and this update.
    """
    log_ratio = fork.new - fork.old
    low_end, high_end = clip.log_ends
    low = (log_ratio < low_end) & (fork.advantages < 0)
    high = (log_ratio > high_end) & (fork.advantages > 0)
    chosen = fork.old.exp()
    sign = torch.where(fork.worked, 1.0, -1.0)
    push = fork.advantages * log_ratio.exp() * sign * (1 - fork.new.exp())
    odds = log_odds(fork.old)
    spread = float((log_odds(fork.new) - odds).square().mean().sqrt())
    worked = torch.sigmoid(sign * odds).double().cpu().numpy()
    expected = drift_per_completion(worked, spread, clip, float(fork.advantages.clamp(min=0).mean()))
    return {
        "clip_ratio/fork_low": float(low.float().mean()),
        "clip_ratio/fork_high": float(high.float().mean()),
        "fork/clip_drift_low": float(-(push * low).mean()),
        "fork/clip_drift_high": float(-(push * high).mean()),
        "fork/log_odds": float((sign * odds).mean()),
        "fork/variance": float((chosen * (1 - chosen)).mean()),
        "fork/log_odds_spread": spread,
        "fork/clip_drift_expected": expected,
    }


def log_odds(log_probabilities: Tensor) -> Tensor:
    """Return log(p / (1 - p)) of log-probabilities; a p that rounds to 0 or 1 counts as one float32 step off."""
    p = log_probabilities.double().exp().clamp(2**-24, 1 - 2**-24)
    return torch.logit(p).float()
