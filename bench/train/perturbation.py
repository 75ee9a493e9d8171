"""Gaussian perturbations of tensors in mirrored pairs, and the gradient that their scores estimate.

A perturbation is never stored: it is drawn again from its seed, for either member of its pair and for the estimate.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

Shaping = Literal["z-scores", "ranks"]


def shaped(rewards: Sequence[float], shaping: Shaping) -> list[float]:
    """Return the scores of rewards: mean 0 and variance 1, or ranks spread evenly over [-1/2, 1/2].

    Equal rewards get equal scores; where all are equal, every score is 0.
    """
    values = np.asarray(rewards, dtype=np.float64)
    if not np.ptp(values):
        return [0.0] * len(values)
    if shaping == "ranks":
        return list((rankdata(values) - 1) / (len(values) - 1) - 0.5)
    return list((values - values.mean()) / values.std())


@torch.no_grad()
def perturb(tensors: Sequence[Tensor], centre: Sequence[Tensor], seed: int, sigma: float) -> None:
    """Put `centre` + `sigma` * noise into `tensors`, the noise standard normal and a function of `seed` alone.

    A negative `sigma` gives the mirrored member of the pair.
    """
    noise = _Noise(seed)
    for tensor, before in zip(tensors, centre, strict=True):
        tensor.copy_(before + sigma * noise.like(tensor))


@torch.no_grad()
def estimate(tensors: Sequence[Tensor], seeds: Sequence[int], scores: Sequence[float]) -> list[Tensor]:
    """Return the direction in which scores rise, (1/2n) sum_i (s_i+ - s_i-) noise_i, a tensor for each of `tensors`.

    With rewards as scores its expectation is sigma times the gradient of the reward under the Gaussian smoothing
    (Salimans et al. 2017, arXiv 1703.03864, section 2.1).

    Args:
        tensors: their shapes, dtypes and devices count, not their values.
        seeds: of the n pairs.
        scores: of the 2n members, the two of a pair side by side, the one with + first.
    """
    totals = [torch.zeros_like(tensor) for tensor in tensors]
    for seed, plus, minus in zip(seeds, scores[::2], scores[1::2], strict=True):
        if plus != minus:
            noise = _Noise(seed)
            for total in totals:
                total.add_(noise.like(total), alpha=(plus - minus) / len(scores))
    return totals


class _Noise:
    """A stream of standard normal numbers for one tensor after another, drawn where the tensors are."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def like(self, tensor: Tensor) -> Tensor:
        """Return the next numbers in the shape of `tensor`."""
        generator = self._generators.get(tensor.device)
        if generator is None:
            generator = torch.Generator(tensor.device).manual_seed(self._seed)
            self._generators[tensor.device] = generator
        return torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype, device=tensor.device)
