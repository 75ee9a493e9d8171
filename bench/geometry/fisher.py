"""How much of the policy's curvature lies on the weights that changed: mass of the diagonal Fisher information.

F_ii = E[(d log pi(y|x) / d theta_i)^2] over completions y that the policy itself samples, which `methods.masks.fisher`
estimates.
"""

from typing import NamedTuple

from torch import Tensor

from rlvr_bench.geometry.masks import size


class FisherMass(NamedTuple):
    """Share of the Fisher diagonal's sum on a mask, and its ratio to the mask's density (1: no preference)."""

    share: float | None
    lift: float | None


def fisher_mass(fisher: Tensor, mask: Tensor) -> FisherMass:
    """Return how much of a Fisher diagonal lies on a boolean mask of the same shape; None where it is undefined.

    Over several matrices, pass their entries joined to one vector each.
    """
    total = float(fisher.double().sum())
    if not total:
        return FisherMass(None, None)
    share, density = float(fisher.double()[mask].sum()) / total, size(mask) / mask.numel()
    return FisherMass(share, share / density if density else None)
