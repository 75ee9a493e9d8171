"""Where trials look: points in the unit cube, drawn ahead, so that any number of workers shares them.

A table's points depend on the seed alone, and more trials begin with the points of fewer. Dimensions are drawn for a
cube of fixed size, so that a method with one dial and one with three share the values of their first.
"""

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 8
"""Dials that a space may have."""

Points = NDArray[np.float64]


def quasi_random(trials: int, seed: int) -> Points:
    """Return points of a scrambled Sobol sequence (Owen 1998), shape (trials, DIMENSIONS), each in [0, 1)."""
    from scipy.stats import qmc  # half a second that a grid need not wait for

    bits = math.ceil(math.log2(trials)) if trials > 1 else 0
    points: Points = qmc.Sobol(DIMENSIONS, scramble=True, rng=seed).random_base2(bits)[:trials]
    return points


def uniform(trials: int, seed: int) -> Points:
    """Return independent uniform points, shape (trials, DIMENSIONS), each in [0, 1)."""
    return np.random.default_rng(seed).random((trials, DIMENSIONS))


POINTS: dict[str, Callable[[int, int], Points]] = {"qmc": quasi_random, "random": uniform}
"""Point sets by name, from a number of trials and a seed."""


def grid(trials: int, choices: Sequence[int | None]) -> list[tuple[float, ...]]:
    """Return the largest full grid of at most `trials` points, each in [0, 1], in the order of its dials.

    Args:
        choices: per dial how many values it has, None for a range: ranges share what is left, equally, ends included.

    Raises:
        ValueError: that many trials do not make a grid with two values in each range.
    """
    fixed = math.prod(count for count in choices if count is not None)
    ranges = sum(count is None for count in choices)
    levels = int((trials // fixed) ** (1 / ranges) + 1e-9) if ranges else 1
    needed = fixed * 2**ranges
    if trials < needed:
        raise ValueError(f"a grid over these dials needs {needed} trials or more, {trials} were asked for")
    axes = [
        np.linspace(0, 1, levels) if count is None else (np.arange(count) + 0.5) / count  # the middle of a choice
        for count in choices
    ]
    return [tuple(float(value) for value in point) for point in product(*axes)]
