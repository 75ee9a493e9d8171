"""How long the geometry of a model takes, told from its shapes before anything is computed. Imports no torch.

Measured: matrices of SmolLM2-135M (192 to 1536 a side) and its embedding go through 15 to 25 GFLOP/s a thread of
float64 with the counts below, decompositions included.
"""

from collections.abc import Iterable, Mapping

from rlvr_bench.geometry.settings import NULL_KINDS, GeometrySettings, Shape

FLOPS_PER_SECOND = 20e9
"""Of one thread, in float64."""

OVERHEAD_FLOPS = 2e8
"""What the smallest matrix takes: some hundred operations on tensors."""

WORTH_SAYING = 5.0
"""Seconds: of geometry that takes less (an organism's) nobody need be told before."""

BASE_SHARE = 0.6
"""What the base's decomposition takes of an update's figures; it is kept in the cache for the next cell."""


def figure_flops(shape: Shape, settings: GeometrySettings) -> float:
    """Return the floating-point operations of all figures of one update of a matrix.

    Two Gram matrices, an eigendecomposition and the eigenvalues of another, the far subspace and its angles, the energy
    in both subspaces, and some passes over the entries.
    """
    side, long = sorted(shape)
    k = settings.k_for(shape)
    decomposed = 4 * side**2 * long + 14 * side**3
    return decomposed + 6 * side * long * k + 8 * long * k**2 + 100 * side * long + OVERHEAD_FLOPS


def null_updates(settings: GeometrySettings) -> int:
    """Return how often the figures are computed again for a matrix with nulls: of what bf16 shows, and of the draws."""
    return 1 + len(NULL_KINDS) * settings.draws if settings.draws else 0


def full_flops(shapes: Iterable[Shape], settings: GeometrySettings) -> float:
    """Return the operations of all figures of all matrices, nulls of every `null_every`-th and the bases' included."""
    matrices = [figure_flops(shape, settings) for shape in shapes if len(shape) == 2]
    with_nulls = sum(matrices[:: settings.null_every]) * null_updates(settings)
    return (1 + BASE_SHARE) * sum(matrices) + with_nulls


def seconds(flops: float, threads: int = 1) -> float:
    """Return what so many operations take."""
    return flops / FLOPS_PER_SECOND / threads


def in_words(seconds_: float) -> str:
    """Return a duration as a person says it: "about 40 s", "about 3 min", "about 2 h"."""
    if seconds_ < 90:
        return f"about {max(seconds_, 1):.0f} s"
    return f"about {seconds_ / 60:.0f} min" if seconds_ < 5400 else f"about {seconds_ / 3600:.1f} h"


def matrices_of(shapes: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return those that are matrices."""
    return {name: shape for name, shape in shapes.items() if len(shape) == 2 and 0 not in shape}
