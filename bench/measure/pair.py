"""A weight before and after training."""

from torch import Tensor

Pair = tuple[str, Tensor, Tensor]
"""Name, tensor before, tensor after."""
