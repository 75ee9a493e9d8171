"""Whether weights move in a straight line: a few trainable values, followed step by step.

Published on checkpoints of long runs (arXiv 2601.04537, 2510.00553): entries of the update grow linearly with steps.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

VALUES = 4096
"""Followed values; of a smaller number of trainable ones all."""


class Trajectory:
    """The way of a sample of trainable values from where they started."""

    def __init__(self, trainable: Sequence[Tensor]) -> None:
        total = sum(tensor.numel() for tensor in trainable)
        drawn = np.random.RandomState(0).randint(total, size=VALUES) if total > VALUES else np.arange(total)
        self._places: list[tuple[Tensor, Tensor]] = []
        start = 0
        for tensor in trainable:
            own = np.unique(drawn[(drawn >= start) & (drawn < start + tensor.numel())]) - start
            if len(own):
                self._places.append((tensor, torch.from_numpy(own).to(tensor.device)))
            start += tensor.numel()
        self._start = self._values()
        self._moved: list[Tensor] = []

    def record(self) -> None:
        """Keep where the values are after a step."""
        self._moved.append(self._values() - self._start)

    def linearity(self) -> float | None:
        """Return R^2 of moved(t) = c t over all followed values, each with a slope c of its own.

        The total sum of squares is about each value's mean over steps; None before the second step or without movement.
        """
        if len(self._moved) < 2:
            return None
        moved = torch.stack(self._moved)
        steps = torch.arange(1, len(moved) + 1, dtype=torch.float64)[:, None]
        slopes = (steps * moved).sum(dim=0) / steps.square().sum()
        total = float((moved - moved.mean(dim=0)).square().sum())
        return 1 - float((moved - steps * slopes).square().sum()) / total if total else None

    def _values(self) -> Tensor:
        values = [tensor.detach().flatten()[own].double().cpu() for tensor, own in self._places]
        return torch.cat(values) if values else torch.zeros(0, dtype=torch.float64)
