"""How a probe ages while the policy moves: what the measurement `fused_probe` read, over optimizer steps."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Any

from rlvr_bench.experiment.scored import label
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.curves import short

PROBES = ("aged", "fused")
"""The probe of the base as it was trained, and the same one that learns beside the policy."""

FRESH = ("base", *PROBES)
"""What is read on fresh problems: the probe of the base before training, both after it."""


def ageing(records: Iterable[RunRecord]) -> list[dict[str, Any]]:
    """Return an entry for each method of a comparison whose runs read a probe while they trained.

    `curves` has by probe the AUROC on rollouts that it has not learned from: `step` (since the probe of the base was
    trained), `mean` over runs and, from two on, `low` and `high`, the lowest and the highest run. `fresh` has by probe
    the AUROC on fresh problems, mean over runs.
    """
    groups: dict[tuple[str, str], list[RunRecord]] = defaultdict(list)
    for record in records:
        if record.status != "stale" and record.measurement("fused_probe"):
            groups[record.comparison, record.keys.method_name].append(record)
    return [_entry(runs) for _, runs in sorted(groups.items())]


def _entry(runs: Sequence[RunRecord]) -> dict[str, Any]:
    measured = [run.measurement("fused_probe") or {} for run in runs]
    first = runs[0]
    fresh = {name: _mean(found.get(name, {}).get("auroc") for found in measured) for name in FRESH}
    return {
        "base": str(first.keys.base.get("label") or first.keys.base["name"]),
        "task": label(first.cell["task"]),
        "method": first.keys.method_name,
        "runs": len(runs),
        "curves": {name: curve for name in PROBES if (curve := _curve(measured, name))},
        "fresh": {name: value for name, value in fresh.items() if value is not None},
    }


def _curve(measured: Sequence[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    """Return one probe's AUROC by step; a batch without both right and wrong completions says nothing."""
    by_step: dict[int, list[float]] = defaultdict(list)
    for found in measured:
        for entry in found.get("curve") or ():
            if (value := entry.get(name, {}).get("auroc")) is not None:
                by_step[entry["step"]].append(value)
    if not by_step:
        return {}
    steps = sorted(by_step)
    curve: dict[str, list[Any]] = {"step": steps, "mean": [short(fmean(by_step[step])) for step in steps]}
    if len(measured) > 1:
        curve |= {"low": [short(min(by_step[step])) for step in steps]}
        curve |= {"high": [short(max(by_step[step])) for step in steps]}
    return curve


def _mean(values: Iterable[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return short(fmean(present)) if present else None
