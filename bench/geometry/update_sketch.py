"""The measurement `update_sketch`: a few numbers of an update by which its angle to that of another run is known.

A count sketch (Charikar et al. 2002): every entry of the update is added, with a sign, to one of 4096 buckets; sign and
bucket are functions of the entry's place. Inner products of sketches are those of updates without bias, so that the
cosine of two orthogonal updates is 0 with a standard error of 1 / sqrt(4096) = 0.016, and that of two equal ones is 1.
"""

import hashlib
from collections.abc import Iterable

import numpy as np

from rlvr_bench.geometry.measurements import UpdateSketch
from rlvr_bench.geometry.packed_sketches import Sketch, pack_sketch
from rlvr_bench.measure.context import CellContext, TrainedModel
from rlvr_bench.measure.measurement import Measurement
from rlvr_bench.measure.pair import Pair

BUCKETS = 4096


class UpdateSketchOfCell(Measurement[UpdateSketch]):
    """The sketch of a cell's update of all its weights together."""

    def after(self, context: CellContext, trained: TrainedModel) -> dict[str, str]:
        """See `Measurement`."""
        return {"sketch": pack_sketch(sketch_of(context.pairs(trained.handle)))}


def sketch_of(pairs: Iterable[Pair]) -> Sketch:
    """Return the sketch of W+ - W0 over all parameters, (BUCKETS,)."""
    total = np.zeros(BUCKETS)
    for name, before, after in pairs:
        update = (after.detach().double() - before.detach().double()).cpu().numpy().ravel()
        # RandomState, whose stream numpy has frozen: sketches of different versions stay comparable.
        key = hashlib.sha256(f"sketch {name} {len(update)}".encode()).digest()[:4]
        drawn = np.random.RandomState(int.from_bytes(key, "big")).randint(2 * BUCKETS, size=len(update))
        total += np.bincount(drawn // 2, weights=np.where(drawn % 2, update, -update), minlength=BUCKETS)
    return total.astype(np.float32)
