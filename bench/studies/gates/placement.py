"""Where in a matrix updates lie: lifts above null updates, and stripes of changed entries."""

from math import log
from statistics import fmean

from rlvr_bench.stats.hierarchical import Value
from rlvr_bench.studies.contrasts import Valued, having, over_seeds
from rlvr_bench.studies.errors import NoEvidence
from rlvr_bench.studies.evidence import Evidence, EvidenceRun, Where, value_at
from rlvr_bench.studies.finding import Finding, Interval, exponential

ACROSS_HEADS = ("q_proj", "k_proj", "v_proj")
"""Their rows belong to heads; of `o_proj` the columns do."""


def lift(evidence: Evidence, figure: str, null: str, runs: Where) -> Finding:
    """A figure of what bf16 shows of the update over that of null updates: geometric mean over runs.

    Of a single run the interval is that of its null draws, and a note says so: it leaves out what another seed does.

    Args:
        evidence: of one base model.
        figure: such as "principal_energy_joint".
        null: "isotropic" or "permuted".
        runs: which runs.
    """
    key = f"geometry.null.{null}.{figure}."
    lifts = having(evidence.select(runs), lambda run: run.figure(f"{key}lift"), f"{key}lift")
    if len(lifts) > 1:
        return logarithmic(lifts)
    run, value = lifts[0]
    interval = Interval(value.mean, run.figure(f"{key}lift_lo"), run.figure(f"{key}lift_hi"))
    return Finding.of(interval, [run], note="one run: the interval is that of its null draws")


def mean_ratio(evidence: Evidence, figure: str, runs: Where) -> Finding:
    """Geometric mean over runs of a positive figure that is a ratio itself, such as one to null updates."""
    return logarithmic(having(evidence.select(runs), lambda run: run.figure(figure), figure))


def stripes(evidence: Evidence, runs: Where) -> Finding:
    """Stripe index along heads (rows of Q, K and V, columns of O) over the index across them, geometric mean over runs.

    The index is the variance of densities over that of independent entries, 1 without stripes.
    """
    return logarithmic(having(evidence.select(runs), _along_over_across, "stripe indices"))


def stripes_above_null(evidence: Evidence, runs: Where) -> Finding:
    """Stripe index along heads over that of isotropic updates rounded to bf16, geometric mean over runs."""
    return logarithmic(having(evidence.select(runs), lambda run: _mean(run, ".lift"), "lifts of stripe indices"))


def logarithmic(ratios: list[Valued]) -> Finding:
    """Return the geometric mean of positive values of runs, with its interval on the logarithm."""
    if min(value.mean for _, value in ratios) <= 0:
        raise NoEvidence("a geometric mean needs positive values")
    return exponential(over_seeds([(run, Value(log(value.mean))) for run, value in ratios]))


def _along_over_across(run: EvidenceRun) -> float | None:
    along, across = _mean(run, ""), _mean(run, "", turned=True)
    return along / across if along is not None and across else None


def _mean(run: EvidenceRun, part: str, turned: bool = False) -> float | None:
    """Return the mean stripe index along heads over matrix types; `turned`: across them."""
    rows, columns = ("column", "row") if turned else ("row", "column")
    sides = dict.fromkeys(ACROSS_HEADS, rows) | {"o_proj": columns}
    values = [
        value_at(run.record.measurement("geometry"), f"by_type.{kind}{part}.{side}_stripe_index")
        for kind, side in sides.items()
    ]
    return None if any(value is None for value in values) else fmean(values)
