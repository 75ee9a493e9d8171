"""Seconds and memory of one matrix's figures at the shapes of larger models: `python tests/perf/geometry_shapes.py`.

"base" is the decomposition and the masks of W0, computed once and cached; "update" the figures of one update, which a
report makes once for the update, once for what bf16 shows of it, and once for each null draw. One thread.
"""

import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from typing import TypeVar

import torch

from rlvr_bench.geometry.base_matrix import BaseMatrix
from rlvr_bench.geometry.figures import figures
from rlvr_bench.geometry.measure import single_threaded
from rlvr_bench.geometry.nulls import null_update, shown_in_bf16
from rlvr_bench.geometry.settings import GeometrySettings

Result = TypeVar("Result")

SHAPES = {
    "135M": [(576, 576), (1536, 576), (49152, 576)],
    "1.5B": [(1536, 1536), (8960, 1536)],
    "7B": [(3584, 3584), (18944, 3584)],
}


def timed(work: Callable[[], Result]) -> tuple[float, float, Result]:
    """Return wall-clock seconds, processor seconds, and what `work` returns."""
    wall, processor = time.perf_counter(), time.process_time()
    found = work()
    return time.perf_counter() - wall, time.process_time() - processor, found


def measure_shape(rows: int, columns: int, settings: GeometrySettings) -> str:
    """Return a line of the table."""
    generator = torch.Generator().manual_seed(0)
    stored = torch.randn(rows, columns, generator=generator).to(torch.bfloat16)
    wall, processor, base = timed(lambda: BaseMatrix.of(stored, settings))

    def update() -> None:
        null = null_update("isotropic", 1e-3 * base.weight, "w", 0, 0)
        figures(base, *shown_in_bf16(base.weight, null))

    update_wall, update_processor, _ = timed(update)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (
        f"{rows:>6} x {columns:<6} k {base.k:<4} base {wall:7.1f} s ({processor:6.1f} cpu)"
        f"  update {update_wall:7.1f} s ({update_processor:6.1f} cpu)  peak {memory:5.2f} GiB"
    )


def main() -> None:
    """Print a line per shape of the models named on the command line, all by default."""
    with tempfile.TemporaryDirectory() as cache, single_threaded():
        os.environ["RLVR_BENCH_CACHE"] = cache
        for model in sys.argv[1:] or SHAPES:
            for rows, columns in SHAPES[model]:
                print(f"{model:>5} {measure_shape(rows, columns, GeometrySettings())}", flush=True)


if __name__ == "__main__":
    main()
