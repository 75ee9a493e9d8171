"""Methods on the two halves of a singular value decomposition: the spectrum alone, or the frames alone.

    W0 = U diag(s) V'        U (out, k), s (k,), V (in, k), k = min(out, in), computed in float64

SVF scales the singular values and keeps the frames; ISO keeps the singular values and turns the frames.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

from rlvr_bench.methods.base.method import Method, Shape, target_weights


class Spectral(Method):
    """What both have in common: no randomness, and a family."""

    family: ClassVar[str] = "spectral"

    @property
    def depends_on_seed(self) -> bool:
        return False


class Svf(Spectral):
    """Singular value fine-tuning: one trained factor per singular value, singular vectors fixed."""

    source: ClassVar[str] = "Transformer-Squared, arXiv 2501.06252, equation 1"
    formula: ClassVar[str] = "W = U diag(s * z) V', z trained, starting at 1"
    learning_rates: ClassVar[tuple[float, float]] = (1e-5, 1e-1)
    implementation: ClassVar[str] = "rlvr_bench.methods.spectral.handle:attach_svf"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.spectral.checks:svf_problems",)

    type: Literal["svf"] = "svf"

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        return {f"{path}.scale": (min(shape),) for path, shape in target_weights(shapes, self.targets).items()}


class Iso(Spectral):
    """Isospectral fine-tuning: both singular frames are trained and stay orthonormal, singular values fixed.

    The optimizer moves U and V as free matrices, with dL/dU = G V diag(s) and dL/dV = G' U diag(s) for G = dL/dW;
    after each of its steps both go back to the nearest orthonormal matrix (the polar factor, in float64). Weight decay
    leaves the frames alone: the retraction would undo it. U and V hold more values than W; k (k + 1) / 2 of them each
    are bound by orthonormality.
    """

    source: ClassVar[str] = "ISO, arXiv 2607.19331"
    formula: ClassVar[str] = "W = U diag(s) V', U and V trained, U <- polar(U), V <- polar(V) after each step"
    learning_rates: ClassVar[tuple[float, float]] = (1e-7, 1e-2)
    implementation: ClassVar[str] = "rlvr_bench.methods.spectral.handle:attach_iso"
    start_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.spectral.checks:iso_start_problems",)
    end_checks: ClassVar[tuple[str, ...]] = ("rlvr_bench.methods.spectral.checks:iso_end_problems",)

    type: Literal["iso"] = "iso"

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        expected: dict[str, Shape | None] = {}
        for path, (rows, columns) in target_weights(shapes, self.targets).items():
            expected[f"{path}.left"] = (rows, min(rows, columns))
            expected[f"{path}.right"] = (columns, min(rows, columns))
        return expected
