"""What a check is, what it raises when it has nothing to look at, and how two models are compared."""

import math
from collections.abc import Callable, Iterator

from rlvr_bench.methods.conformance.forward import Pass
from rlvr_bench.methods.conformance.trial import Trial

Check = Callable[[Trial], Iterator[str]]
"""Takes a trial and yields one sentence per problem, with the tensor and the number."""


class Skipped(Exception):
    """A check has nothing to look at; the message says why."""


def apart(trial: Trial, got: Pass, wanted: Pass, what: str, whose: str) -> Iterator[str]:
    """Say by how much the logits differ where rounding does not explain it, and at which module that begins."""
    error = (got.logits - wanted.logits).abs().max().item()
    allowed = trial.case.tolerance * max(1.0, wanted.logits.abs().max().item())
    if not error <= allowed or math.isnan(error):
        begins = _first_apart(got, wanted, trial.case.tolerance)
        yield f"{what} differ from {whose} by {error:.3g}; rounding explains {allowed:.2g}{begins}"


def _first_apart(got: Pass, wanted: Pass, tolerance: float) -> str:
    """Say which module is the first whose output differs by more than `tolerance` of its largest entry; "" if none."""
    for path, reference in wanted.outputs.items():
        output = got.outputs.get(path)
        if output is None or output.shape != reference.shape:
            continue
        error = (output - reference).abs().max().item()
        if not error <= tolerance * reference.abs().max().item():
            return f"; {path} is the first module whose output differs, by {error:.3g}"
    return ""
