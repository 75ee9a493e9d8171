"""The cut-offs of every kind of policy, from the one that stops least to the one that stops most.

The order is declared before any calibration trace is looked at: promises are tested along it.
"""

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.thinking.policies import DeepConf, Drop, Evidence, Halve, Keep, Policy, Threshold
from rlvr_bench.thinking.trace import Trace
from rlvr_bench.thinking.training import Scores

_LEAST = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
_ALPHAS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
_ETAS = (0.95, 0.9, 0.7, 0.5, 0.3, 0.1)


def cut_offs(traces: Sequence[Trace], scores: Scores | None, size: int) -> dict[str, list[Policy]]:
    """Return policies by kind, the mildest first.

    Args:
        traces: of validation, which say how long traces are and, with `scores`, how the evidence is calibrated.
        scores: probabilities at every position; None where scores only order traces, which no threshold can be set on.
        size: traces of a problem.
    """
    half = max(1, round(median(trace.fed for trace in traces) / 2))
    every = max(1, half // 2)
    counts = sorted({max(1, size * part // 8) for part in (7, 6, 5, 4, 3, 2, 1)} | {1}, reverse=True)
    strides = sorted({4 * half, 2 * half, half, max(1, half // 2), max(1, half // 4), 1}, reverse=True)
    families: dict[str, list[Policy]] = {
        "keep": [Keep(count=count, at=half) for count in counts if count < size],
        "halve": [Halve(every=stride) for stride in strides],
        "drop": [Drop(count=size - count, every=half) for count in counts if count < size],
    }
    if scores is None:
        return families | {"deepconf": [DeepConf(warm_up=max(2, size // 4), eta=eta) for eta in _ETAS]}
    families["threshold"] = [Threshold(least=least, every=every) for least in _LEAST]
    right = sum(trace.correct for trace in traces) / len(traces)
    if 0.0001 < right < 0.9999:
        slope, shift = calibration(traces, scores)
        families["evidence"] = [
            Evidence(alpha=alpha, every=every, slope=slope, shift=shift, prior=round(right, 4)) for alpha in _ALPHAS
        ]
    return families


def calibration(traces: Sequence[Trace], scores: Scores) -> tuple[float, float]:
    """Return slope and shift of a logistic fit of the outcomes to the log odds of all scores of a trace.

    Traces weigh the same, however often they were read (Platt 1999).
    """
    rows = [
        (value, trace.correct, 1 / len(own))
        for trace, own in zip(traces, scores, strict=True)
        for value in own.values()
    ]
    values, correct, weights = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    odds = logit(np.clip(values, 1e-6, 1 - 1e-6))

    def loss(parameters: Floats) -> float:
        chance = np.clip(expit(np.exp(parameters[0]) * odds + parameters[1]), 1e-12, 1 - 1e-12)
        return -float((weights * (correct * np.log(chance) + (1 - correct) * np.log1p(-chance))).sum() / len(traces))

    # A fit on few traces may run away to a step; the logarithm keeps the slope positive, the bounds keep both finite.
    found: Mapping[str, Floats] = minimize(loss, np.zeros(2), method="L-BFGS-B", bounds=[(-3, 3), (-10, 10)])
    # Rounded to what the written policy shows, so that it is the very policy that was tested.
    return round(float(np.exp(found["x"][0])), 4), round(float(found["x"][1]), 4)
