"""The figures of the geometry, written again from their definitions in numpy and scipy, float64, by full SVDs."""

from typing import Any

import numpy as np
import scipy.linalg
import scipy.stats
import torch

Matrix = np.ndarray[Any, Any]


def bf16(values: Matrix) -> Matrix:
    """Round float32 values to bf16, ties to even, by the bits."""
    bits = np.asarray(values, dtype=np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16 << 16
    return rounded.astype(np.uint32).view(np.float32).astype(np.float64)


def changed_mask(before: Matrix, after: Matrix) -> Matrix:
    return bf16(before) != bf16(after)


def largest(values: Matrix, count: int) -> Matrix:
    mask = np.zeros(values.size, dtype=bool)
    mask[np.argsort(values, axis=None, kind="stable")[values.size - count :]] = True
    return mask.reshape(values.shape)


def smallest(values: Matrix, count: int) -> Matrix:
    return ~largest(values, values.size - count)


@np.errstate(invalid="ignore", divide="ignore")  # what is undefined comes out as NaN or infinite
def reference(before: Matrix, after: Matrix, k: int, rank: int, density: float) -> dict[str, float]:
    """Return the figures of one matrix; W0 and W+ are float32 arrays with an update that is not zero."""
    base, tuned = before.astype(np.float64), after.astype(np.float64)
    update = tuned - base
    u0, s0, v0 = np.linalg.svd(base, full_matrices=False)
    u1, s1, v1 = np.linalg.svd(tuned, full_matrices=False)
    s = np.linalg.svd(update, compute_uv=False)
    total = np.sum(update**2)
    left, right = u0[:, :k], v0[:k].T
    on_left, on_right = scipy.linalg.subspace_angles(left, u1[:, :k]), scipy.linalg.subspace_angles(right, v1[:k].T)
    angles = np.degrees(np.concatenate([on_left, on_right]))
    changed = changed_mask(before, after)
    count = max(1, round(density * base.size))
    principal = largest(np.abs((u0[:, :rank] * s0[:rank]) @ v0[:rank]), count)
    low = smallest(np.abs(base), count)
    shares = s / s.sum()
    shares = shares[shares > 0]
    new = np.abs(u0.T @ u1[:, : min(10, len(s1))]).max(axis=0) < 0.5
    rows, columns = changed.shape
    p = changed.mean()
    return {
        "sparsity_bf16": np.mean(~changed),
        "relative_norm": np.linalg.norm(update) / np.linalg.norm(base),
        "update_norm": np.linalg.norm(update),
        "update_norm_spectral": s[0],
        "spectral_shift": np.linalg.norm(s1 - s0) / np.linalg.norm(s0),
        "isospectral_residual": np.linalg.norm(s1 - s0) / np.linalg.norm(update),
        "ky_fan_drift": abs(s1[:k].sum() - s0[:k].sum()) / s0[:k].sum(),
        "principal_angle_max_deg": angles.max(),
        "principal_angle_mean_deg": angles.mean(),
        "principal_angle_left_max_deg": np.degrees(on_left.max()),
        "principal_angle_right_max_deg": np.degrees(on_right.max()),
        "sin_theta_bound": s[0] / (s0[k - 1] - (s0[k] if k < len(s0) else 0.0)),
        "intruder_dimensions": int(new.sum()),
        "principal_energy_left": np.sum((left.T @ update) ** 2) / total,
        "principal_energy_right": np.sum((update @ right) ** 2) / total,
        "principal_energy_joint": np.sum((left.T @ update @ right) ** 2) / total,
        "principal_energy_tail": np.sum(
            ((np.eye(rows) - left @ left.T) @ update @ (np.eye(columns) - right @ right.T)) ** 2
        )
        / total,
        "principal_overlap": (changed & principal).sum() / changed.sum(),
        "principal_lift": (changed & principal).sum() / changed.sum() / principal.mean(),
        "low_magnitude_overlap": (changed & low).sum() / changed.sum(),
        "low_magnitude_lift": (changed & low).sum() / changed.sum() / low.mean(),
        "principal_not_low_overlap": (changed & principal & ~low).sum() / changed.sum(),
        "principal_not_low_lift": (changed & principal & ~low).sum() / changed.sum() / (principal & ~low).mean(),
        "stable_rank": total / s[0] ** 2,
        "effective_rank": np.exp(-np.sum(shares * np.log(shares))),
        "energy_rank_99": int(np.argmax(np.cumsum(s**2) >= 0.99 * total)) + 1,
        "row_stripe_index": changed.mean(axis=1).var(ddof=1) / (p * (1 - p) / columns),
        "column_stripe_index": changed.mean(axis=0).var(ddof=1) / (p * (1 - p) / rows),
        "sparsity_fp32": np.mean(before == after),
        "sparsity_1e_5": np.mean(np.abs(bf16(after) - bf16(before)) <= 1e-5),
    }


def matrix(rows: int, columns: int, values: Matrix | list[float], seed: int) -> torch.Tensor:
    """Return a float64 matrix with these singular values in random bases."""
    rng = np.random.default_rng(seed)
    side = min(rows, columns)
    left = scipy.stats.ortho_group.rvs(rows, random_state=rng)[:, :side]
    right = scipy.stats.ortho_group.rvs(columns, random_state=rng)[:, :side]
    return torch.from_numpy((left * np.asarray(values)) @ right.T)
