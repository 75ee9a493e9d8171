"""How many runs of a method stayed sound, step by step, over its seeds and learning rates."""

from collections.abc import Sequence
from typing import Any

from rlvr_bench.record.schema import RunRecord
from rlvr_bench.stats.survival import survival


def sound_share(records: Sequence[RunRecord]) -> dict[str, Any] | None:
    """Return the Kaplan-Meier curve of the time to collapse over some runs; None if none collapsed.

    A run that made no step says nothing and is left out.

    Returns:
        `step` and `share` from step 0 on, with `low` and `high` of the pointwise 95 % interval, and `runs`.
    """
    runs = [record.stability for record in records if record.stability and record.stability.steps]
    ends = [float(run.steps if run.collapse_step is None else max(run.collapse_step, 1)) for run in runs]
    collapsed = [run.collapse_step is not None for run in runs]
    if not any(collapsed):
        return None
    curve = survival(ends, collapsed)
    last = float(curve.share[-1]), float(curve.low[-1]), float(curve.high[-1])
    share, low, high = zip(
        (1.0, 1.0, 1.0),
        *zip(curve.share.tolist(), curve.low.tolist(), curve.high.tolist(), strict=True),
        last,
        strict=True,
    )
    steps = [0.0, *curve.times.tolist(), curve.last]
    return {"step": steps, "share": list(share), "low": list(low), "high": list(high), "runs": curve.runs}
