"""The share of false claims among many, held by Benjamini and Yekutieli's rule (2001, Ann. Stat. 29:1165)."""

from collections.abc import Sequence

import numpy as np


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Return adjusted p-values: rejecting those of at most q keeps the expected share of false rejections below q.

    It holds whatever the dependence between the tests, at the price of a factor 1 + 1/2 + ... + 1/n over Benjamini and
    Hochberg's rule (1995), which asks that they depend on each other positively.
    """
    count = len(p_values)
    if not count:
        return []
    order = np.argsort(p_values, kind="stable")[::-1]
    penalty = sum(1 / rank for rank in range(1, count + 1))
    scaled = np.asarray(p_values, dtype=np.float64)[order] * penalty * count / np.arange(count, 0, -1)
    values = np.empty(count)
    values[order] = np.minimum(np.minimum.accumulate(scaled), 1.0)
    return [float(value) for value in values]
