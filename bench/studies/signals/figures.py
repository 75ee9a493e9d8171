"""Numbers of one run that claims on learning signals are about: transfer, boundary, forgetting, over-optimisation."""

from collections.abc import Mapping, Sequence
from math import log, sqrt
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from rlvr_bench.experiment.scored import Relation, related, score_tasks
from rlvr_bench.leaderboard.row import outcome_matrix
from rlvr_bench.record.schema import ModelRole, RunRecord, StepRecord
from rlvr_bench.record.steps import recorded
from rlvr_bench.stats.hierarchical import Value, mean_value
from rlvr_bench.stats.sampling import pass_at_k
from rlvr_bench.studies.contrasts import Figure
from rlvr_bench.studies.evidence import EvidenceRun

SMOOTHED = 5
"""Steps in the moving mean of a curve whose peak or end is read."""

LEAST_GAIN = 0.05
"""A share of a gain smaller than this, in accuracy on some dozens of problems, says nothing."""

ROLES: tuple[ModelRole, ModelRole] = ("tuned", "base")

Curve = NDArray[np.float64]


def gain(run: EvidenceRun) -> Value | None:
    """Greedy accuracy on the trained task's test split minus the base's."""
    return _gain(run.record, str(run.record.keys.task["name"]))


def gain_on(relation: Relation) -> Figure:
    """Return the figure "mean gain over the scored tasks that are so related to the trained one": T_ij of a row i."""

    def figure(run: EvidenceRun) -> Value | None:
        names = [name for name, kind in related(run.record.cell).items() if kind == relation]
        gains = [value for name in names if (value := _gain(run.record, name)) is not None]
        return mean_value(gains) if gains else None

    return figure


def gain_on_families(families: Sequence[str]) -> Figure:
    """Return the figure "mean gain over the further tasks of these families": the same ones whatever was trained on."""

    def figure(run: EvidenceRun) -> Value | None:
        scored = score_tasks(run.record.cell)
        gains = [
            value
            for name, task in scored.items()
            if task["name"] in families and (value := _gain(run.record, name)) is not None
        ]
        return mean_value(gains) if gains else None

    return figure


def kl_on(relation: Relation, direction: str) -> Figure:
    """Return the figure "mean KL to the base on tasks so related", nats per token; "kl" or "kl_forward"."""

    def figure(run: EvidenceRun) -> float | None:
        names = [name for name, kind in related(run.record.cell).items() if kind == relation]
        values = [value for name in names if (value := run.figure(f"divergence.{name}.{direction}")) is not None]
        return fmean(values) if values else None

    return figure


def transferability(run: EvidenceRun) -> float | None:
    """Transferability index in per cent: relative gain on untrained families over that on the trained task.

    100 * mean_j((acc_j - base_j) / base_j) / ((acc - base) / base) (Huan et al. 2025, arXiv 2507.00432); undefined
    where a base accuracy is 0 or the trained task was not learned.
    """
    own = _relative_gain(run.record, str(run.record.keys.task["name"]))
    names = [name for name, kind in related(run.record.cell).items() if kind == "family"]
    others = [value for name in names if (value := _relative_gain(run.record, name)) is not None]
    return 100 * fmean(others) / own if own is not None and own > 0 and others else None


def above_teacher(run: EvidenceRun) -> Value | None:
    """Accuracy on the trained task minus the accuracy of the teacher whose solutions were imitated."""
    outcomes = _outcomes(run.record, "tuned", str(run.record.keys.task["name"]))
    teacher = run.setting("signal.teacher_accuracy")
    return None if outcomes is None or teacher is None else outcomes - Value(float(teacher))


def pass_gain(k: int) -> Figure:
    """Return the figure "pass@k of the tuned model minus the base's" on the trained task's sampled test problems."""

    def figure(run: EvidenceRun) -> Value | None:
        task = str(run.record.keys.task["name"])
        scores = [run.record.score(role, task, "test") for role in ROLES]
        if any(score is None or not score.sample_counts or score.k < k for score in scores):
            return None
        values = [
            Value(outcomes={f"{score.problem_set}/sampled": pass_at_k(np.array(score.sample_counts), score.k, k)})
            for score in scores
            if score is not None
        ]
        return values[0] - values[1]

    return figure


def pass_curves(record: RunRecord) -> dict[str, dict[int, float]]:
    """Return unbiased pass@k by k = 1, 2, 4, ... of base and tuned model, on the trained task's test split."""
    curves: dict[str, dict[int, float]] = {}
    for role in ("base", "tuned"):
        score = record.score(role, str(record.keys.task["name"]), "test")
        counts = np.array(score.sample_counts if score else [], dtype=np.int64)
        ks = [2**power for power in range(16) if score and 2**power <= score.k]
        curves[role] = {k: float(pass_at_k(counts, score.k, k).mean()) for k in ks} if score and len(counts) else {}
    return curves


def crossing(base: Mapping[int, float], tuned: Mapping[int, float]) -> float | None:
    """Return the k at which the base's pass@k overtakes the tuned model's; None if it never does, or led from k = 1.

    Between two measured k it is interpolated on log k.
    """
    ks = sorted(base.keys() & tuned.keys())
    gaps = [tuned[k] - base[k] for k in ks]
    if not ks or gaps[0] <= 0:
        return None
    for place in range(1, len(ks)):
        if gaps[place] < 0:
            share = gaps[place - 1] / (gaps[place - 1] - gaps[place])
            return float(ks[place - 1] * (ks[place] / ks[place - 1]) ** share)
    return None


def crossing_of(run: EvidenceRun) -> float | None:
    """The crossing point k* of one run."""
    curves = pass_curves(run.record)
    return crossing(curves["base"], curves["tuned"])


def proxy_and_gold(steps: Sequence[StepRecord]) -> tuple[Curve, Curve, Curve]:
    """Return sqrt(KL), the training reward and the verifier's accuracy of the steps that have all three."""
    points = [
        (sqrt(max(step.kl, 0.0)), step.reward, step.accuracy)
        for step in steps
        if step.kl is not None and step.reward is not None and step.accuracy is not None
    ]
    distance, proxy, gold = np.array(points, dtype=np.float64).reshape(-1, 3).T
    return distance, proxy, gold


def gold_fall(run: EvidenceRun) -> float | None:
    """By how much the verifier's accuracy ends below its peak, both as moving means: 0 without a turn-over."""
    gold = _smooth(recorded(run.steps, "accuracy"))
    return float(gold.max() - gold[-1]) if len(gold) else None


def proxy_rise_after_gold_peak(run: EvidenceRun) -> float | None:
    """By how much the training reward rises from where the verifier's accuracy peaks to the end."""
    both = [(s.reward, s.accuracy) for s in run.steps if s.reward is not None and s.accuracy is not None]
    proxy, gold = (_smooth([pair[side] for pair in both]) for side in (0, 1))
    return float(proxy[-1] - proxy[int(gold.argmax())]) if len(gold) else None


def turn_over(run: EvidenceRun) -> float | None:
    """Curvature b of gold = start + d (a - b d) over d = sqrt(KL), by least squares: above 0 where gold turns over.

    The form of Gao et al. 2022 (arXiv 2210.10760, eq. 1, for best-of-n) without an intercept fixed at 0.
    """
    distance, _, gold = proxy_and_gold(run.steps)
    if len(np.unique(distance)) < 4:
        return None
    return -float(np.polyfit(distance, gold, 2)[0])


def remembered_questions(run: EvidenceRun) -> float | None:
    """Share of trained questions completed word for word from their first 60 % by the tuned model minus the base's."""
    after, before = (run.figure(f"train_memory.{role}.60.exact") for role in ROLES)
    return None if after is None or before is None else after - before


def surprise_at_trained_solutions(run: EvidenceRun) -> float | None:
    """Log perplexity of trained problems' gold solutions, tuned model minus base, in nats per token."""
    after, before = (run.figure(f"train_memory.{role}.solution_perplexity") for role in ROLES)
    return log(after / before) if after and before else None


def recovered(where: str) -> Figure:
    """Return the figure "share of the gain that the base has with the tuned model's tokens at `forks`, or `random`"."""

    def figure(run: EvidenceRun) -> float | None:
        base, some, tuned = (run.figure(f"changed_tokens.recovery.{name}") for name in ("base", where, "tuned"))
        if base is None or some is None or tuned is None or tuned - base < LEAST_GAIN:
            return None
        return (some - base) / (tuned - base)

    return figure


def _smooth(values: list[float]) -> Curve:
    """Return the moving mean over SMOOTHED values, or over all where there are fewer."""
    width = min(SMOOTHED, len(values))
    return np.convolve(values, np.full(width, 1 / width), mode="valid") if width else np.zeros(0)


def _gain(record: RunRecord, task: str) -> Value | None:
    tuned, base = (_outcomes(record, role, task) for role in ROLES)
    return None if tuned is None or base is None else tuned - base


def _outcomes(record: RunRecord, role: ModelRole, task: str) -> Value | None:
    score = record.score(role, task, "test")
    if score is None or score.greedy is None:
        return None
    return Value(outcomes={f"{task}/{score.problem_set}": outcome_matrix([score])[0]})


def _relative_gain(record: RunRecord, task: str) -> float | None:
    base, gained = record.score("base", task, "test"), _gain(record, task)
    return gained.mean / base.greedy if gained is not None and base is not None and base.greedy else None


FIGURES: Mapping[str, Figure] = {
    "gain": gain,
    "gain on the trained task": gain_on("trained"),
    "gain on another level": gain_on("level"),
    "gain on other families": gain_on("family"),
    "kl on the trained task": kl_on("trained", "kl"),
    "kl on other families": kl_on("family", "kl"),
    "forward kl on the trained task": kl_on("trained", "kl_forward"),
    "transferability": transferability,
    "accuracy above the teacher's": above_teacher,
    "crossing": crossing_of,
    "fall of the verifier's accuracy": gold_fall,
    "rise of the proxy after the verifier's peak": proxy_rise_after_gold_peak,
    "turn-over": turn_over,
    "memory of trained questions": remembered_questions,
    "surprise at trained solutions": surprise_at_trained_solutions,
    "gain recovered at forks": recovered("forks"),
    "gain recovered at random": recovered("random"),
    **{f"gain in pass@{2**power}": pass_gain(2**power) for power in range(9)},
}
"""Figures that a claim can name."""
