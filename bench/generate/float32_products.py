"""Which library float32 products of this machine's processor go through: decided once, kept in the cache.

Results of the two agree up to rounding and differ in their last digits, and which one is faster is a timing, which load
can turn round. So the timing is made once for a processor, a torch and a number of threads, before the first cell
starts, and every later process reads what was decided: the same machine gives the same bits, busy or idle.
Imports no torch.
"""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.record.cache import cache_dir, computed_once
from rlvr_bench.record.environment import cpu_model
from rlvr_bench.record.errors import RecordError

Library = Literal["onednn", "blas"]
LIBRARIES: tuple[Library, ...] = ("onednn", "blas")

VARIABLE = "RLVR_BENCH_FLOAT32_PRODUCTS"
"""Environment variable that chooses the library instead: onednn, blas, or auto for what was decided."""

MIN_SPEEDUP = 1.3
"""How much faster oneDNN must be: where both use the same units they differ by a few per cent."""

_DECIDE = "from rlvr_bench.generate import matmul; matmul.library()"


class Timings(BaseModel):
    """Seconds of the fastest product through each library."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blas: float
    onednn: float


class Decision(BaseModel):
    """What was decided, for which machine, and by which timings; None where this torch has no oneDNN."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    library: Library
    cpu: str
    torch: str
    threads: int
    timings: Timings | None


def forced() -> Library | None:
    """Return the library that the environment variable chooses, None where it leaves that open.

    Raises:
        ExperimentError: it holds something else.
    """
    value = os.environ.get(VARIABLE, "")
    if value in ("", "auto"):
        return None
    for library in LIBRARIES:
        if value == library:
            return library
    raise ExperimentError(f"{VARIABLE}={value}: no such library; set it to onednn, blas or auto")


def decision_file(threads: int) -> Path:
    """Return where the decision for this machine and so many threads is kept."""
    machine = f"{cpu_model()}\n{version('torch')}\n{threads}"
    return cache_dir() / "machine" / f"float32-products-{hashlib.sha256(machine.encode()).hexdigest()[:12]}.json"


def decided(threads: int, measure: Callable[[], Timings | None]) -> Decision:
    """Return what was decided for this machine; decide it by `measure` where nothing was, while others wait.

    Raises:
        RecordError: the cache cannot be written.
    """
    return computed_once(
        decision_file(threads),
        Decision.model_validate_json,
        lambda: _decide(threads, measure()),
        lambda decision: decision.model_dump_json(indent=1) + "\n",
    )


def decide_ahead(threads: int, *, renew: bool = False) -> Decision:
    """Return what was decided for this machine; where nothing was, decide it in a process of its own.

    Args:
        threads: processor threads of the cells that will start.
        renew: whether to decide again.

    Raises:
        RecordError: the cache cannot be written, or the process failed.
    """
    path = decision_file(threads)
    if renew:
        path.unlink(missing_ok=True)
    if (decision := _recorded(path)) is None:
        count = str(threads)
        environment = os.environ | {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, VARIABLE: "auto"}
        done = subprocess.run([sys.executable, "-c", _DECIDE], env=environment, capture_output=True, text=True)
        decision = _recorded(path)
        if done.returncode or decision is None:
            reason = (done.stderr.strip().splitlines() or [f"nothing was decided for {count} threads"])[-1]
            raise RecordError(f"float32 products could not be timed ({reason}); choose their library with {VARIABLE}")
    return decision


def _recorded(path: Path) -> Decision | None:
    """Return the decision in a file; None where there is none, or a damaged one, which is made again."""
    try:
        return Decision.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _decide(threads: int, timings: Timings | None) -> Decision:
    faster = timings is not None and timings.blas > MIN_SPEEDUP * timings.onednn
    library: Library = "onednn" if faster else "blas"
    return Decision(library=library, cpu=cpu_model(), torch=version("torch"), threads=threads, timings=timings)
