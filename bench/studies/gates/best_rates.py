"""Does the sharpness of the loss order methods' best learning rates? Kendall's tau over methods."""

from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean

from rlvr_bench.stats.ranks import kendall
from rlvr_bench.studies.contrasts import Figure, having
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import RATE, Evidence, EvidenceRun, Where
from rlvr_bench.studies.finding import Finding, Interval

FEWEST = 5
"""Methods below which an order says nothing."""


def rate_sharpness_agreement(evidence: Evidence, a: Where, b: Where, loss: str) -> Finding:
    """Kendall's tau between best rate and sharpness, with its interval over methods.

    Of each method both are geometric means over its runs: a protocol spreads the final seeds over the rates that
    validation found equally good.

    Args:
        evidence: of one base model.
        a: runs at the rates that a protocol chose.
        b: runs that measured sharpness; a method has the same name there.
        loss: "gold" or "own", see `geometry.sharpness`.
    """
    rates = _by_method(evidence, a, lambda run: log(run.setting(RATE)), "a learning rate")
    sharp = _by_method(evidence, b, lambda run: _logarithm(run, loss), f"a positive sharpness of {loss} completions")
    shared = sorted(rates.keys() & sharp.keys())
    if len(shared) < FEWEST:
        raise NoEvidence(f"{len(shared)} methods have a best rate and a sharpness, an order needs {FEWEST}")
    sides = [[fmean(value for _, value in of[name]) for name in shared] for of in (rates, sharp)]
    try:
        tau = kendall(*sides, f"{evidence.base}/{loss}")
    except ValueError as error:
        raise NoEvidence(str(error)) from error
    used = [[run for name in shared for run, _ in of[name]] for of in (rates, sharp)]
    return Finding.of(Interval(tau.mean, tau.low, tau.high), *used, note=f"{len(shared)} methods")


def _logarithm(run: EvidenceRun, loss: str) -> float | None:
    value = run.figure(f"sharpness.{loss}.eigenvalue")
    return log(value) if value is not None and value > 0 else None


def _by_method(
    evidence: Evidence, where: Where, value: Figure, name: str
) -> Mapping[str, Sequence[tuple[EvidenceRun, float]]]:
    grouped: dict[str, list[tuple[EvidenceRun, float]]] = {}
    for run, each in having(evidence.select(where), value, name):
        grouped.setdefault(run.record.keys.method_name, []).append((run, each.mean))
    return grouped
