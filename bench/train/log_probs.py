"""Log-probabilities of completions under a frozen model, and the KL that follows from them.

Kept apart from the trainer's own forward pass, because the reference is always the true base model: neither a disabled
adapter (which is not the base for methods that change it) nor a second adapter.
"""

import torch
from torch import Tensor, nn


@torch.inference_mode()
def completion_log_probs(
    model: nn.Module, input_ids: Tensor, attention_mask: Tensor, completion_length: int, temperature: float
) -> Tensor:
    """Return the log-probability of each completion token, (rows, completion_length), float32.

    Args:
        input_ids: (rows, prompt + completion), prompts padded on the left, completions on the right.
        attention_mask: the same shape, 0 on padding.
        temperature: logits are divided by it, as they were when the completions were sampled.
    """
    positions = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
    logits = model(
        input_ids=input_ids,
        attention_mask=attention_mask,
        position_ids=positions,
        logits_to_keep=completion_length + 1,
        use_cache=False,
    ).logits
    log_probs = torch.log_softmax(logits[:, :-1].float() / temperature, dim=-1)
    targets = input_ids[:, -completion_length:].unsqueeze(-1)
    return log_probs.gather(-1, targets).squeeze(-1).clone()


def k3(policy: Tensor, reference: Tensor, mask: Tensor) -> float:
    """Return the mean k3 estimate of KL(policy || reference) in nats per token over the masked tokens; NaN without any.

    k3 = r - log r - 1 with r = reference / policy on tokens sampled from the policy (Schulman 2020,
    "Approximating KL divergence"): unbiased and never negative.
    """
    log_ratio = (reference.double() - policy.double())[mask.bool()]
    return float((log_ratio.exp() - log_ratio - 1).mean())
