"""Whether a run collapsed: rules on its steps, on how it ended, and on its final score against the base's.

The rules on steps look at windows of rollout batches, by the verifier's verdicts (never by the training reward, which
may be random or wrong). Records are labelled when they are made and again when a table is derived (`relabelled`), so
that a rule reaches the runs that were made before it; what is stored stays.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.special import bdtr

from rlvr_bench.record.errors import RecordError
from rlvr_bench.record.schema import Cause, ModelRole, RunRecord, Score, ScoredSplit, Stability, StepRecord
from rlvr_bench.record.steps import METRIC_NAMES, column

CollapseKind = Literal["accuracy", "end", "entropy", "non-finite", "truncation", "validation"]
Ending = Literal["above", "level", "below"]
"""How a run's final score lies to its base's: above or below it beyond noise, or neither."""

Scores = Mapping[str, Mapping[ScoredSplit, Score]]
"""Of one model, by task and split."""

WINDOW = 10
"""Rollout batches in one window."""
PATIENCE = 5
"""Windows in a row that must be bad."""
END_SHARE = 0.1
"""Of a run's windows, one or more: if its last ones are bad so long, it ended badly."""
BEYOND_NOISE = 0.01
"""Chance that a run which is as good as its base ends above it, or below it, by as much."""

_READ = ("step", "accuracy", "entropy", "frac_reward_zero_std", "completions_clipped_ratio")
METRICS = frozenset(METRIC_NAMES[name] for name in ("non_finite", *_READ))
"""What of a step the rules read, by its names in files."""

ACCURACY_ERRORS, END_ERRORS = 2, 4
"""Standard errors, as of independent completions, below the start. Those of a prompt are alike, which makes one window
err twice as far; five in a row need no such care."""


@dataclass(frozen=True, slots=True)
class Collapse:
    """When and how a run collapsed; `step` is the first step of the first bad window."""

    kind: CollapseKind
    step: int


class _Batch(NamedTuple):
    """What the rules read of a step that trained on a batch of rollouts."""

    step: int
    accuracy: float
    entropy: float | None
    dead: float | None
    truncated: float | None


@dataclass(frozen=True, slots=True)
class _Window:
    step: int
    accuracy: float
    entropy: float
    dead: float
    truncated: float


def collapse(
    steps: Sequence[StepRecord],
    completions_per_batch: int,
    base_accuracy: float | None = None,
    ending: Ending | None = None,
) -> Collapse | None:
    """Label a run by its step records and by how its final score lies to its base's.

    A run collapsed if a gradient was not finite, or (a) for five windows the accuracy of its rollouts is below half of
    its best window or below the start by two standard errors, or (b) entropy is below 5 % of the start while over 90 %
    of the groups carry no signal and accuracy is not above the start, or (c) over half of the completions are truncated
    and the share has risen for two windows, or (d) accuracy is bad, as in (a) but by four standard errors, in the last
    tenth of its windows (one to five of them, up to the last batch) and its final score is not above the base's beyond
    noise, or (e) its final score is below the base's beyond noise. The start is the base model's sampled accuracy, or
    without one the first window's.

    Args:
        ending: of the final score; None of a run without one.
    """
    numbers = column(steps, "step")
    for number, non_finite in zip(numbers, column(steps, "non_finite"), strict=True):
        if non_finite:
            return Collapse("non-finite", number)
    batches = _batches(steps)
    windows = _windows(batches)
    on_the_way = _on_the_way(windows, completions_per_batch, base_accuracy)
    if on_the_way is not None:
        return on_the_way
    if windows and ending != "above":
        at_the_end = _at_the_end(windows, batches, completions_per_batch, base_accuracy)
        if at_the_end is not None:
            return at_the_end
    return Collapse("validation", numbers[-1] if numbers else 0) if ending == "below" else None


def ending(tuned: Score | None, base: Score | None) -> Ending | None:
    """Return how a final score lies to its base's on the same problems, by an exact test (McNemar 1947).

    None if they cannot be paired, or either was not scored greedily.
    """
    if tuned is None or base is None or tuned.problem_set != base.problem_set:
        return None
    if not (tuned.greedy_outcomes and base.greedy_outcomes):
        return None
    after, before = (np.frombuffer(score.greedy_outcomes.encode(), dtype=np.uint8) for score in (tuned, base))
    won, lost = int((after > before).sum()), int((after < before).sum())
    if bdtr(won, won + lost, 0.5) <= BEYOND_NOISE:
        return "below"
    return "above" if bdtr(lost, won + lost, 0.5) <= BEYOND_NOISE else "level"


def final_ending(task: str, scores: Mapping[ModelRole, Scores]) -> Ending | None:
    """Return how a run's final score on its task lies to its base's: on validation, or without a score there on test.

    Args:
        scores: of the base and of the tuned model, by task and split.
    """
    base, tuned = (scores.get(role, {}).get(task, {}) for role in ("base", "tuned"))
    splits: tuple[ScoredSplit, ...] = ("validation", "test")
    endings = (ending(tuned.get(split), base.get(split)) for split in splits)
    return next((found for found in endings if found is not None), None)


def relabelled(record: RunRecord, read_steps: Callable[[RunRecord], Sequence[StepRecord]]) -> RunRecord:
    """Return a record with the label that the present rules give it; the same object where that is the one it has.

    Steps are read where they can change the label: rules (a) to (c) are those that a stored label was made by, (d) and
    (e) do not concern a run that ends above its base. Of one whose steps cannot be read the final score alone speaks.
    """
    if record.status != "done":
        return record
    task = str(record.keys.task["name"])
    final = final_ending(task, record.accuracy)
    if final == "above":
        return record
    try:
        steps = read_steps(record)
    except RecordError:  # named by `results check`
        steps = ()
    signal, base = record.keys.signal, record.accuracy.get("base", {}).get(task, {})
    start = sampled_start(record.cell.get("evaluate", {}), signal, list(base.values()))
    found = collapse(steps, completions_at_once(signal), start, final)
    if found is None:
        return record
    stability = record.stability or Stability(steps=len(steps))
    stability = stability.model_copy(update={"collapse_step": found.step, "collapse_rule": found.kind})
    return record.model_copy(update={"status": "collapsed", "cause": cause(stability), "stability": stability})


def cause(stability: Stability) -> Cause:
    """Return why a run that collapsed is called so."""
    message = f"training collapsed at step {stability.collapse_step} ({stability.collapse_rule})"
    return Cause(type="Collapse", message=message, fix="lower the learning rate, or raise kl_weight")


def sampled_start(evaluate: dict[str, Any], signal: dict[str, Any], base: Sequence[Score]) -> float | None:
    """Return the base's sampled accuracy, which a collapse is judged by; None unless it was sampled as rollouts are.

    Args:
        evaluate, signal: settings of the cell; `base`: scores on the task's splits.
    """
    names = ("max_new_tokens", "temperature")
    if any(evaluate.get(name) != signal.get(name) for name in names):
        return None
    return next((score.avg_k for score in base if score.avg_k is not None), None)


def completions_at_once(signal: dict[str, Any]) -> int:
    """Return the completions behind the accuracy of a step, by the settings of a signal."""
    if "shadow_size" in signal:
        return int(signal["shadow_size"])
    return int(signal.get("prompts_per_batch", 1)) * int(signal.get("group_size", 1))


def _on_the_way(windows: Sequence[_Window], completions_per_batch: int, base_accuracy: float | None) -> Collapse | None:
    if not windows:
        return None
    first = windows[0]
    start = first.accuracy if base_accuracy is None else base_accuracy
    best, bad = start, 0
    for index, window in enumerate(windows):
        best = max(best, window.accuracy)
        floor = max(0.5 * best, start - ACCURACY_ERRORS * _error(start, completions_per_batch))
        bad = bad + 1 if window.accuracy < floor else 0
        if bad == PATIENCE:
            return Collapse("accuracy", windows[index - PATIENCE + 1].step)
        if window.entropy < 0.05 * first.entropy and window.dead > 0.9 and window.accuracy <= start:
            return Collapse("entropy", window.step)
        before = windows[max(index - 2, 0) : index]
        rising = len(before) == 2 and before[0].truncated < before[1].truncated < window.truncated
        if window.truncated > 0.5 and rising:
            return Collapse("truncation", window.step)
    return None


def _at_the_end(
    windows: Sequence[_Window],
    batches: Sequence[_Batch],
    completions_per_batch: int,
    base_accuracy: float | None,
) -> Collapse | None:
    """Return a collapse if all of the last windows are bad, which are counted from the last batch."""
    start = windows[0].accuracy if base_accuracy is None else base_accuracy
    best = max(start, *(window.accuracy for window in windows))
    below_start = start - END_ERRORS * _error(start, completions_per_batch)
    floor = max(below_start, min(0.5 * best, best - END_ERRORS * _error(best, completions_per_batch)))
    count = min(max(round(END_SHARE * len(windows)), 1), PATIENCE)
    last = _windows(batches[len(batches) - count * WINDOW :])
    return Collapse("end", last[0].step) if all(window.accuracy < floor for window in last) else None


def _error(accuracy: float, completions_per_batch: int) -> float:
    """Return the standard error of a window's accuracy."""
    return math.sqrt(max(accuracy * (1 - accuracy), 1e-12) / (completions_per_batch * WINDOW))


def _batches(steps: Sequence[StepRecord]) -> list[_Batch]:
    columns = (column(steps, name) for name in _READ)
    return [batch for batch in map(_Batch._make, zip(*columns, strict=True)) if batch.accuracy is not None]


def _windows(batches: Sequence[_Batch]) -> list[_Window]:
    groups = [batches[start : start + WINDOW] for start in range(0, len(batches) - WINDOW + 1, WINDOW)]
    return [
        _Window(
            step=group[0].step,
            accuracy=_mean([batch.accuracy for batch in group]),
            entropy=_mean([batch.entropy for batch in group]),
            dead=_mean([batch.dead for batch in group]),
            truncated=_mean([batch.truncated for batch in group]),
        )
        for group in groups
    ]


def _mean(values: Sequence[float | None]) -> float:
    present = [value for value in values if value is not None]
    return fmean(present) if present else math.nan
