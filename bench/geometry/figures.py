"""All figures of one update of one matrix: the same function measures the real update and the null ones.

An undefined figure is None (an update of zero has no energy share, a zero matrix no relative norm); a figure that is
zero is 0.
"""

import torch
from torch import Tensor

from rlvr_bench.geometry.angles import intruders, principal_angles
from rlvr_bench.geometry.base_matrix import MASKS, BaseMatrix
from rlvr_bench.geometry.energy import UNDEFINED, energy
from rlvr_bench.geometry.masks import overlap, stripe_index, unchanged_share
from rlvr_bench.geometry.singular import Singular, leading, left_vectors, singular_values, subspaces
from rlvr_bench.geometry.spectrum import (
    effective_rank,
    energy_rank,
    isospectral_residual,
    ky_fan_drift,
    spectral_shift,
    stable_rank,
)

Figures = dict[str, float | None]
"""Figures by name; angles in degrees, shares in [0, 1]."""

INTRUDERS_AMONG = 10
"""Leading singular directions of W+ that are looked at for intruders, as in PEFT."""

ANGLES = (
    "principal_angle_max_deg",
    "principal_angle_mean_deg",
    "principal_angle_left_max_deg",
    "principal_angle_right_max_deg",
)


def figures(base: BaseMatrix, update: Tensor, changed: Tensor) -> Figures:
    """Measure an update.

    Args:
        base: the matrix W0, (m, n).
        update: W+ - W0, (m, n) float64.
        changed: mask of the entries that differ in bf16, (m, n).
    """
    norm = float(torch.linalg.vector_norm(update))
    size: Figures = {
        "sparsity_bf16": unchanged_share(changed),
        "relative_norm": norm / base.norm if base.norm else None,
        "update_norm": norm,
    }
    return size | (_spectral(base, update, norm) if norm else _unmoved(base)) | _placed(base, update, changed)


def _unmoved(base: BaseMatrix) -> Figures:
    """The spectral figures of no update: nothing moved, and what is a share of the update is undefined."""
    moved = dict.fromkeys(("spectral_shift", "ky_fan_drift", "intruder_dimensions"), 0.0 if base.norm else None)
    turned = dict.fromkeys((*ANGLES, "sin_theta_bound"), None if base.left is None else 0.0)
    undefined = dict.fromkeys(("isospectral_residual", "stable_rank", "effective_rank", "energy_rank_99"))
    return {"update_norm_spectral": 0.0, **moved, **turned, **undefined}


def _spectral(base: BaseMatrix, update: Tensor, norm: float) -> Figures:
    """How far singular values moved and singular subspaces turned, and how many directions the update has."""
    tuned, before, k = base.weight + update, base.singular.values, base.k
    # Started from the base's vectors: an update turns them little, so Krylov needs few rounds.
    after = leading(tuned, max(k, INTRUDERS_AMONG), base.singular.basis)
    values = singular_values(update)
    return {
        "update_norm_spectral": float(values[0]),
        "spectral_shift": spectral_shift(before, after.values),
        "ky_fan_drift": ky_fan_drift(before, after.values, k),
        "intruder_dimensions": _intruders(base, tuned, after),
        **_angles(base, tuned, after),
        "sin_theta_bound": None if base.left is None else float(values[0]) / base.singular.gap(k),
        "isospectral_residual": isospectral_residual(before, after.values, norm),
        "stable_rank": stable_rank(values),
        "effective_rank": effective_rank(values),
        "energy_rank_99": energy_rank(values),
    }


def _angles(base: BaseMatrix, tuned: Tensor, after: Singular) -> Figures:
    """Principal angles between the top-k subspaces before and after: the largest and the mean of left and right."""
    if base.left is None or base.right is None or not after.separated(base.k):
        return dict.fromkeys(ANGLES)
    left, right = subspaces(tuned, after, base.k)
    on_left, on_right = principal_angles(base.left, left), principal_angles(base.right, right)
    largest = float(on_left[0]), float(on_right[0])
    return dict(zip(ANGLES, (max(largest), float(torch.cat([on_left, on_right]).mean()), *largest), strict=True))


def _intruders(base: BaseMatrix, tuned: Tensor, after: Singular) -> int | None:
    """Intruders among the leading left singular vectors of W+ that have a singular value above 0."""
    # A left vector of a singular value of 0 is W v / 0.
    count = min(INTRUDERS_AMONG, int((after.values > after.values[0] * 1e-12).sum()))
    return intruders(base.left_overlaps(left_vectors(tuned, after, count))) if base.norm and count else None


def _placed(base: BaseMatrix, update: Tensor, changed: Tensor) -> Figures:
    """Where the update lies: in singular directions, in coordinates, in rows and columns."""
    # Undefined where two singular values coincide at k: any basis of their plane would do.
    shares = energy(update, base.left, base.right) if base.left is not None and base.right is not None else UNDEFINED
    placed: Figures = {f"principal_energy_{name}": share for name, share in shares._asdict().items()}
    for name in MASKS:
        entries = base.masks.get(name)
        share = overlap(changed, entries.mask) if entries else None
        placed[f"{name}_overlap"] = share
        placed[f"{name}_lift"] = share / entries.density if entries and entries.density and share is not None else None
    return placed | {
        "row_stripe_index": stripe_index(changed),
        "column_stripe_index": stripe_index(changed.T),
    }
