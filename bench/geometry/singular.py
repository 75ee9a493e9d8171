"""Singular values and leading singular subspaces in float64.

They come from the Gram matrix of the smaller side, which costs a third of an SVD. Squaring the condition number costs
digits only at the small end, so a matrix whose smallest singular value is below `GRAM_CONDITION` of its largest goes
through the SVD itself. For a few leading directions of a large matrix a block Krylov method takes the place of the full
eigendecomposition, where its residual proves that it found the same subspace.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

GRAM_CONDITION = 1e-5
"""At this ratio the Gram matrix still gives singular values to 1e-10 of the largest."""

SEPARATION = 1e-12
"""Neighbouring singular values closer than this share of the largest span no subspaces of their own."""

ORTHOGONAL_CONDITION = 1e-2
"""Above this ratio of singular values W v / sigma are orthonormal to 1e-11 as they come."""

SUBSPACE_TOLERANCE = 1e-7
"""Largest sine between a truncated and the exact subspace: 6e-6 degrees."""

TRUNCATED_SHARE = 48
"""The Krylov method is tried for k up to the smaller side over this; above, real layers need more than half a space."""


@dataclass(frozen=True, slots=True)
class Singular:
    """All singular values of a matrix, descending, shape (r,), and leading singular vectors of its smaller side.

    `basis` is (r, c), orthonormal columns in the order of `values`: left vectors if the matrix has no more rows than
    columns, else right vectors; r is the smaller side, c = r unless the decomposition was truncated.
    """

    values: Tensor
    basis: Tensor

    def gap(self, k: int) -> float:
        """Return sigma_k - sigma_(k+1), with sigma_(r+1) = 0."""
        after = float(self.values[k]) if k < len(self.values) else 0.0
        return float(self.values[k - 1]) - after

    def separated(self, k: int) -> bool:
        """Whether the top-k singular subspaces are defined."""
        return self.gap(k) > SEPARATION * float(self.values[0])


def decompose(matrix: Tensor) -> Singular:
    """Return all singular values and all vectors of the smaller side of a float64 `matrix`."""
    wide = _wide(matrix)
    # Rounding leaves eigenvalues of a singular Gram matrix a little below 0, where a root is NaN.
    eigenvalues, vectors = torch.linalg.eigh(wide @ wide.T)
    values = eigenvalues.flip(0).clamp(min=0).sqrt()
    if _well_conditioned(values):
        return Singular(values, vectors.flip(1))
    # The Gram matrix has squared the small end away: only the SVD itself still has its digits.
    left, values, _ = torch.linalg.svd(wide, full_matrices=False)
    return Singular(values, left)


def leading(matrix: Tensor, k: int, start: Tensor) -> Singular:
    """Return all singular values and the top-k vectors of the smaller side of a float64 `matrix`.

    Args:
        matrix: (m, n).
        k: how many vectors are needed.
        start: (min(m, n), at least k) orthonormal columns near the answer, such as those of a nearby matrix.
    """
    wide = _wide(matrix)
    side = len(wide)
    if k * TRUNCATED_SHARE > side:
        return decompose(matrix)
    gram = wide @ wide.T
    # All values but few vectors: eigvalsh costs a fraction of eigh, and bounds the Ritz vectors' error below.
    eigenvalues = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0)
    if not _well_conditioned(eigenvalues.sqrt()):
        return decompose(matrix)
    basis = krylov(gram, eigenvalues, k, start)
    return decompose(matrix) if basis is None else Singular(eigenvalues.sqrt(), basis)


def krylov(gram: Tensor, eigenvalues: Tensor, k: int, start: Tensor) -> Tensor | None:
    """Return the top-k eigenvectors (side, k) of a symmetric positive `gram`, or None if they were not found cheaply.

    Rayleigh-Ritz on a block Krylov space (Musco and Musco 2015, arXiv 1504.05477). The sine between the Ritz space and
    the true one is at most residual / (theta_k - lambda_(k+1)) (Davis and Kahan 1970); it must be below
    `SUBSPACE_TOLERANCE` before the space has half of all dimensions.

    Args:
        gram: (side, side).
        eigenvalues: (side,) of `gram`, descending.
        k: how many, fewer than the side.
        start: (side, more than k) orthonormal columns to start from; the half of k more than k speed it up.
    """
    # A few columns more than k: convergence goes by the gap behind the block, not by that behind k.
    space = start[:, : k + max(8, k // 2)]
    width, image = space.shape[1], gram @ space
    while 2 * space.shape[1] <= len(gram):
        # The best vectors that the space holds (Rayleigh-Ritz), and what is left of A v - lambda v.
        values, rotation = torch.linalg.eigh(space.T @ image)
        values, rotation = values[-k:].flip(0), rotation[:, -k:].flip(1)
        vectors: Tensor = space @ rotation
        residual = float(torch.linalg.matrix_norm(image @ rotation - vectors * values))
        # The next eigenvalue is the exact one, so the bound is proven and not an estimate from Ritz values.
        gap = float(values[-1] - eigenvalues[k])
        if gap > 0 and residual <= SUBSPACE_TOLERANCE * gap:
            return vectors
        # Only the newest block is multiplied on: older ones are in the space already.
        block = image[:, -width:]
        for _ in range(2):  # twice is enough for orthogonality to machine precision
            block = torch.linalg.qr(block - space @ (space.T @ block)).Q
        space, image = torch.cat([space, block], dim=1), torch.cat([image, gram @ block], dim=1)
    return None


def singular_values(matrix: Tensor) -> Tensor:
    """Return all singular values of a float64 `matrix`, descending."""
    wide = _wide(matrix)
    values: Tensor = torch.linalg.eigvalsh(wide @ wide.T).flip(0).clamp(min=0).sqrt()
    if not _well_conditioned(values):
        values = torch.linalg.svdvals(wide)
    return values


def subspaces(matrix: Tensor, singular: Singular, k: int) -> tuple[Tensor, Tensor]:
    """Return orthonormal bases of the top-k left (m, k) and right (n, k) singular subspaces of `matrix`."""
    near = singular.basis[:, :k]
    far = _wide(matrix).T @ near
    # Dividing by sigma is free, and orthonormal while sigma is not small; where it is, QR mends what rounding did.
    if singular.values[k - 1] > ORTHOGONAL_CONDITION * singular.values[0]:
        far = far / singular.values[:k]
    else:
        far = torch.linalg.qr(far).Q
    return (near, far) if is_wide(matrix) else (far, near)


def left_vectors(matrix: Tensor, singular: Singular, count: int) -> Tensor:
    """Return the `count` leading left singular vectors (m, count) of `matrix`; their singular values must not be 0."""
    near = singular.basis[:, :count]
    return near if is_wide(matrix) else matrix @ near / singular.values[:count]


def is_wide(matrix: Tensor) -> bool:
    """Whether the left side is the smaller one."""
    return matrix.shape[0] <= matrix.shape[1]


def _wide(matrix: Tensor) -> Tensor:
    return matrix if is_wide(matrix) else matrix.T


def _well_conditioned(values: Tensor) -> bool:
    return bool(values[-1] > GRAM_CONDITION * values[0])
