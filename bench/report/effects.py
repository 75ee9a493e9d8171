"""What the runs of one row say of how training changed the model, beside its accuracy: behaviour, pass@k, budgets.

Means over the seeds that have a figure; shares and accuracies are fractions in [0, 1].
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import fmean
from typing import Any

from rlvr_bench.leaderboard.row import test_score
from rlvr_bench.record.behaviour import Behaviour
from rlvr_bench.record.schema import ModelRole, RunRecord, StepRecord
from rlvr_bench.report.clipping import clipping
from rlvr_bench.report.curves import COSTS, STRATEGY, curve, short

Effects = dict[str, Any]


def effects(runs: Sequence[RunRecord], steps: Mapping[str, Sequence[StepRecord]]) -> Effects:
    """Return of the runs of one row what they have of:

    `strategy` (the one that most answers of the base use): its share of the rollouts over the steps, its frequency and
    accuracy before and after, and for each transition the share of problems and what it gained; `pass_k` of base and
    tuned model; `ledger`, the verifier's accuracy while the budget is used; `proxy`, the learned reward and the
    verifier's accuracy against the square root of the KL to the base (Gao et al. 2022, arXiv 2210.10760); `clipping`,
    what was clipped, and the drift of the strategy that this predicts beside the measured one (see `clipping`).
    """
    taken = [steps[run.cell_id] for run in runs if steps.get(run.cell_id)]
    found: Effects = {
        "strategy": _strategy(runs, taken),
        "pass_k": _pass_k(runs),
        "ledger": _together(taken, (*COSTS, "accuracy")),
        "clipping": _clipping(runs[0].cell["signal"], taken),
    }
    if runs[0].cell["signal"]["type"] == "rlhf":
        found["proxy"] = _proxy(taken)
    return {name: value for name, value in found.items() if value}


def _strategy(runs: Sequence[RunRecord], steps: Sequence[Sequence[StepRecord]]) -> Effects:
    measured = (run.measurement("behaviour") for run in runs)
    held = [behaviour for each in measured if each and (behaviour := Behaviour.model_validate(each)).transitions]
    if not held:
        return {}
    base = held[0].base.strategies
    name = max(base, key=lambda each: base[each].frequency or 0.0)
    shown = [behaviour for behaviour in held if name in behaviour.transitions]
    return {
        "name": name,
        "use": curve(steps, f"{STRATEGY}{name}"),
        "base": _use(shown, "base", name),
        "tuned": _use(shown, "tuned", name),
        "transitions": {change: _transition(shown, name, change) for change in shown[0].transitions[name]},
    }


def _use(held: Sequence[Behaviour], role: ModelRole, name: str) -> dict[str, float]:
    """Return frequency and accuracies with and without a strategy, means over the runs where they are defined."""
    uses = [getattr(behaviour, role).strategies.get(name) for behaviour in held]
    figures = ("frequency", "accuracy_with", "accuracy_without")
    values = {figure: [v for use in uses if use and (v := getattr(use, figure)) is not None] for figure in figures}
    return {figure: short(fmean(found)) for figure, found in values.items() if found}


def _transition(held: Sequence[Behaviour], name: str, change: Any) -> dict[str, float]:
    parts = [(behaviour.transitions[name][change], behaviour.problems) for behaviour in held]
    return {
        "problems": short(fmean(part.problems / problems for part, problems in parts)),
        "gained": short(fmean(part.gained / problems for part, problems in parts)),
    }


def _clipping(signal: Mapping[str, Any], steps: Sequence[Sequence[StepRecord]]) -> dict[str, float]:
    """Return the figures of clipping, means over the runs that have them; none where nothing was clipped."""
    each = [clipping(signal, run) for run in steps]
    names = dict.fromkeys(name for figures in each for name in figures)
    means = {name: short(fmean(found[name] for found in each if name in found)) for name in names}
    return means if means.get("tokens_low") or means.get("tokens_high") else {}


def _pass_k(runs: Sequence[RunRecord]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    roles: tuple[ModelRole, ...] = ("base", "tuned")
    for role in roles:
        scores = [score.pass_k for run in runs if (score := test_score(run, role)) and len(score.pass_k) > 1]
        if scores:
            values = {k: [value for each in scores if (value := each.get(k)) is not None] for k in scores[0]}
            found[role] = {k: short(fmean(means)) for k, means in values.items() if means}
    return found


def _together(steps: Sequence[Sequence[StepRecord]], names: Sequence[str]) -> dict[str, list[float]]:
    """Return the means of several metrics over the bins of steps in which all of them are defined."""
    curves = {name: curve(steps, name) for name in names}
    if not all(curves.values()):
        return {}
    values = {name: dict(zip(found["step"], found["mean"], strict=True)) for name, found in curves.items()}
    shared = [step for step in curves[names[0]]["step"] if all(step in found for found in values.values())]
    return {name: [found[step] for step in shared] for name, found in values.items()}


def _proxy(steps: Sequence[Sequence[StepRecord]]) -> dict[str, list[float]]:
    found = _together(steps, ("kl", "reward", "accuracy"))
    if not found:
        return {}
    return {
        "sqrt_kl": [short(sqrt(max(kl, 0.0))) for kl in found["kl"]],
        "proxy": found["reward"],
        "gold": found["accuracy"],
    }
