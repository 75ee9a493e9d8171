"""What a scorer should say at each position of a trace, in [0, 1]: four kinds of labels.

- ramp: from 0.5 to the outcome in a straight line over the trace. Our own choice: the abstract of one-token
  verification (arXiv 2603.01025) says nothing of its labels, and its full text was not at hand. Public reviews of an
  earlier version (OpenReview, QewOtpenMy) say that they are heuristic and follow from the outcome alone, not how.
- hard: the outcome at every position.
- mc: the share of fresh continuations from the position that end correct (STOP, arXiv 2604.16029, eq. 8).
- td: the lambda-return of the scorer's own scores behind the position (Sutton 1988), the outcome at the end.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def ramp(position: int, fed: int, correct: bool) -> float:
    """0.5 + 0.5 t/T for a correct trace, 0.5 - 0.5 t/T for a wrong one; the outcome for a trace without positions."""
    reached = position / fed if fed else 1.0
    return 0.5 + (0.5 if correct else -0.5) * reached


def hard(position: int, fed: int, correct: bool) -> float:
    """The outcome."""
    return float(correct)


def lambda_returns(scores: Tensor, lengths: Sequence[int], outcomes: Tensor, decay: float) -> Tensor:
    """Targets y_i = (1 - decay) c_{i+1} + decay y_{i+1}, and the outcome at a trace's last scored position.

    Args:
        scores: c in [0, 1], shape [traces, positions], positions ascending, padded behind `lengths`.
        lengths: scored positions of each trace.
        outcomes: 0 or 1, shape [traces].
        decay: lambda; 1 gives hard labels, 0 one-step bootstrapping.
    """
    targets = torch.zeros_like(scores)
    for row, length in enumerate(lengths):
        target = outcomes[row].to(scores)
        targets[row, length - 1] = target
        for place in range(length - 2, -1, -1):
            target = (1 - decay) * scores[row, place + 1] + decay * target
            targets[row, place] = target
    return targets
