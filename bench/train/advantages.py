"""What is done to GRPO's advantages after TRL has centred and scaled them by group or batch."""

from torch import Tensor

_LEAST_VARIANCE = 1e-8


def whitened(advantages: Tensor, mask: Tensor) -> Tensor:
    """Return advantages of mean 0 and variance 1 over the tokens of a rollout batch; (rows,).

    As OpenRLHF's replay buffer does, which Shao et al. 2025 (arXiv 2506.10947) train with: a completion counts as often
    as it has tokens, so that the mean moves where a reward goes with length. Advantages that are all 0 stay 0.

    Args:
        advantages: one per completion, (rows,).
        mask: 1 on completions' tokens, 0 on padding, (rows, length).
    """
    tokens = mask.sum(dim=1)
    mean = (advantages * tokens).sum() / tokens.sum()
    apart = advantages - mean
    variance = (apart.square() * tokens).sum() / tokens.sum()
    return apart * variance.clamp(min=_LEAST_VARIANCE).rsqrt()
