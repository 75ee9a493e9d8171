"""When a trial is stopped early: what it still would train cannot make it the best.

A rule of tuning alone. A run of the comparison is always trained to its end, whatever becomes of it.
"""

import math
from collections.abc import Sequence

from rlvr_bench.record.schema import StepRecord


def is_dead(steps: Sequence[StepRecord], planned: int, share: float) -> bool:
    """Whether no completion was right over the last `share` of the planned steps, though some were before.

    By the verifier's verdicts, never by the training reward. Where nothing was ever right nothing has died: a sparse
    reward may come late.

    Args:
        steps: all so far; those in which nothing was sampled say nothing.
        planned: optimizer steps of the whole run.
        share: of `planned`, in (0, 1); at least one step.
    """
    span = max(math.ceil(share * planned), 1)
    before = [step.accuracy for step in steps[:-span] if step.accuracy is not None]
    recent = [step.accuracy for step in steps[-span:] if step.accuracy is not None]
    return bool(recent) and not any(recent) and any(before)
