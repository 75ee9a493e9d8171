"""Does the sharpness of the loss order methods' best learning rates? Kendall's tau over methods."""

from collections.abc import Mapping, Sequence
from math import log
from statistics import fmean

from rlvr_bench.studies.contrasts import Valued, having, logarithm
from rlvr_bench.studies.evidence import RATE, Evidence, Where
from rlvr_bench.studies.finding import Finding
from rlvr_bench.studies.orders import agreement, shared_methods


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
    rates = _by_method(having(evidence.select(a), lambda run: log(run.setting(RATE)), "a learning rate"))
    measured = having(evidence.select(b), logarithm(f"sharpness.{loss}.eigenvalue"), f"sharpness of {loss} completions")
    sharp = _by_method(measured)
    best, sharpest = (
        {name: fmean(value.mean for _, value in runs) for name, runs in of.items()} for of in (rates, sharp)
    )
    shared = shared_methods(best, sharpest)
    used = [[run for name in shared for run, _ in of[name]] for of in (rates, sharp)]
    tau = agreement(best, sharpest, f"{evidence.base}/{loss}")
    return Finding.of(tau, *used, note=f"{len(shared)} methods")


def _by_method(pairs: Sequence[Valued]) -> Mapping[str, Sequence[Valued]]:
    grouped: dict[str, list[Valued]] = {}
    for run, value in pairs:
        grouped.setdefault(run.record.keys.method_name, []).append((run, value))
    return grouped
