"""From records to a model's figures, with their lift above the null updates."""

from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from statistics import fmean
from typing import Any

from rlvr_bench.geometry.figures import Figures
from rlvr_bench.geometry.measure import TensorRecord
from rlvr_bench.geometry.nulls import UNDEFINED, Lift, lift
from rlvr_bench.geometry.settings import NULL_KINDS, NullKind

Pick = Callable[[TensorRecord], Figures]
Weigh = Callable[[TensorRecord], float]
"""How many matrices a record stands for."""


def summarise(records: Sequence[TensorRecord]) -> dict[str, Any]:
    """Condense a model's records.

    Sparsities are shares of all entries, norms are taken over all entries together, the angles called `max` are the
    largest over matrices (the mean of the largest one beside them), everything else is a mean over the matrices that
    have it. `null` compares what bf16 shows of the matrices with the null updates. Of a sample, each measured matrix
    counts as many times as it stands for, and what is called `max` is the largest of those that were measured.
    """
    matrices = [record for record in records if record.is_matrix]
    summary: dict[str, Any] = {"tensors": len(records), "matrices": len(matrices)}
    summary["entries"] = sum(record.entries for record in records)
    summary |= {name: pooled(name, records, lambda record: record.figures) for name in _names(records)}
    largest = "principal_angle_max_deg"
    if largest in summary:
        summary[f"{largest}_mean"] = _mean(largest, matrices)
    return summary | ({"null": null_summary(matrices)} if any(record.null for record in matrices) else {})


def by_kind(records: Iterable[TensorRecord]) -> dict[str, dict[str, Any]]:
    """Return `summarise` of the matrices of each kind (q_proj, k_proj, ...), in order of appearance."""
    groups: dict[str, list[TensorRecord]] = {}
    for record in records:
        if record.is_matrix:
            groups.setdefault(record.kind, []).append(record)
    return {kind: summarise(group) for kind, group in groups.items()}


def null_of(record: TensorRecord) -> dict[str, Any]:
    """Return one matrix's comparison with its nulls, as `null_summary` does for a model."""
    return null_summary([record])


def null_summary(records: Sequence[TensorRecord]) -> dict[str, Any]:
    """Return, per figure, what bf16 shows of the update and its ratio to the mean of each kind of null.

    A figure is compared over the matrices that have it, for the update and for all draws.
    """
    matrices = [record for record in records if record.null is not None]
    # Figures called lift are over a mask's density, not over a null.
    names = [name for name in _names(matrices, _shown) if not name.endswith("_lift")]
    summary: dict[str, Any] = {"shown_in_bf16": {name: pooled(name, matrices, _shown, _null_weight) for name in names}}
    for kind in NULL_KINDS:
        summary[kind] = {name: _as_json(model_lift(name, matrices, kind)) for name in names}
    return summary


def model_lift(name: str, records: Sequence[TensorRecord], kind: NullKind) -> Lift:
    """Return the lift of one figure, pooled over matrices, above the same pooling of its null draws."""
    matrices = [record for record in records if _complete(record, name, kind)]
    observed = pooled(name, matrices, _shown, _null_weight)
    if observed is None:
        return UNDEFINED
    if _is_mean(name):
        weights = _weights(name, matrices, _null_weight)
        shares = [weight / sum(weights) for weight in weights]
        return lift(observed, [_draws(record, name, kind) for record in matrices], shares)
    # A largest value or a norm is not a mean over matrices: draw i of all matrices together makes one model's null.
    count = len(_draws(matrices[0], name, kind))
    draws = [_number(pooled(name, matrices, _draw(kind, i))) for i in range(count)]
    return lift(observed, [draws], [1.0])


def pooled(
    name: str, records: Sequence[TensorRecord], pick: Pick, weigh: Weigh = lambda record: record.weight
) -> float | None:
    """Pool one figure over the tensors that have it, each as often as `weigh` says; None if none has."""
    having = [record for record in records if pick(record).get(name) is not None]
    values = [_number(pick(record)[name]) for record in having]
    if not values:
        return None
    if _is_mean(name):
        return fmean(values, _weights(name, having, weigh))
    if name == "update_norm":
        return sqrt(sum(value**2 for value in values))
    # Over all entries together, so that a small matrix does not weigh as much as a large one.
    if name == "relative_norm":
        base = sqrt(sum(record.base_norm**2 for record in records))
        return sqrt(sum(_number(pick(record)["update_norm"]) ** 2 for record in records)) / base
    return max(values)


def _is_mean(name: str) -> bool:
    """Whether a model's figure is a mean over tensors, not the largest and not a norm of all entries together."""
    return not name.endswith("max_deg") and name not in ("update_norm", "relative_norm")


def _weights(name: str, records: Sequence[TensorRecord], weigh: Weigh) -> list[float]:
    """Return the weights of a mean: of a sparsity, which all tensors have, their entries, else what they stand for."""
    return [record.entries if name.startswith("sparsity") else weigh(record) for record in records]


def _null_weight(record: TensorRecord) -> float:
    return record.null.weight if record.null else 1


def _shown(record: TensorRecord) -> Figures:
    return record.null.shown if record.null else {}


def _draw(kind: NullKind, draw: int) -> Pick:
    return lambda record: record.null.draws[kind][draw] if record.null else {}


def _draws(record: TensorRecord, name: str, kind: NullKind) -> list[float]:
    return [_number(figures[name]) for figures in record.null.draws[kind]] if record.null else []


def _complete(record: TensorRecord, name: str, kind: NullKind) -> bool:
    """Whether a record has the figure for the update and for every null draw of this kind."""
    if record.null is None:
        return False
    return all(figures.get(name) is not None for figures in (record.null.shown, *record.null.draws[kind]))


def _names(records: Iterable[TensorRecord], pick: Pick = lambda record: record.figures) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in pick(record)))


def _mean(name: str, records: Iterable[TensorRecord]) -> float | None:
    having = [record for record in records if record.figures.get(name) is not None]
    values = [_number(record.figures[name]) for record in having]
    return fmean(values, [record.weight for record in having]) if values else None


def _number(value: float | None) -> float:
    assert value is not None, "pooled over the records that have the figure"
    return value


def _as_json(lift: Lift) -> dict[str, float | None]:
    return {"mean": lift.null, "lift": lift.ratio, "lift_lo": lift.low, "lift_hi": lift.high}
