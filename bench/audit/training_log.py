"""A trainer's log: `trainer_state.json` of transformers and TRL, or an export of wandb or trackio as CSV or JSON lines.

Metrics are kept under TRL's names; prefixes of trackers ("train/", a run's name) go, and verl's names become TRL's
where they mean the same. A value that is no number is left out, NaN is kept: a rule looks for it.
"""

import csv
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from rlvr_bench.audit.errors import AuditError, LacksData

LARGEST_FILE = 256 * 2**20
"""Bytes of a log or of completions that are read; a longer one is refused."""

LARGEST_NUMBER = 1e100
"""Beyond it a logged number is an overflow, and means of such numbers would overflow too."""

VERL = {
    "actor/entropy": "entropy",
    "actor/entropy_loss": "entropy",
    "actor/grad_norm": "grad_norm",
    "actor/lr": "learning_rate",
    "actor/kl_loss": "kl",
    "actor/pg_clipfrac": "clip_ratio/region_mean",
    "critic/rewards/mean": "reward",
    "response_length/mean": "completions/mean_length",
    "response_length/max": "completions/max_length",
    "response_length/clip_ratio": "completions/clipped_ratio",
    "training/rollout_probs_diff_mean": "sampling/sampling_prob_difference/mean",
}
"""Metrics of verl (its documentation, "Metrics") -> TRL's names for the same."""

STEPS = ("step", "train/global_step", "global_step", "training/global_step", "_step", "Step")
"""Names of the step, the optimizer's own before a tracker's."""


class Point(NamedTuple):
    """A value at an optimizer step."""

    step: int
    value: float


@dataclass(frozen=True, slots=True)
class TrainingLog:
    """Metrics by step; `entries` hold "step" and the metrics that were logged there.

    `settings` are what `trainer_state.json` says beside them (train_batch_size, max_steps, ...).
    """

    path: Path
    entries: list[dict[str, float]]
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """All metrics that were logged at least once."""
        return {name for entry in self.entries for name in entry} - {"step"}

    def points(self, name: str) -> list[Point]:
        """Return the finite values of a metric by step. Raises LacksData where there is none."""
        points = [
            Point(int(entry["step"]), entry[name])
            for entry in self.entries
            if name in entry and math.isfinite(entry[name])
        ]
        if not points:
            raise LacksData(f"the metric {name} in {self.path.name}")
        return points

    def values(self, name: str) -> list[float]:
        """Return the finite values of a metric. Raises LacksData where there is none."""
        return [point.value for point in self.points(name)]


def read_log(path: Path) -> TrainingLog:
    """Read a log by its ending: .json, .jsonl or .csv. Raises AuditError if it cannot be used."""
    text = _text(path)
    settings: dict[str, float] = {}
    if path.suffix == ".csv":
        rows: Any = _csv_rows(path, text)
    elif path.suffix == ".jsonl":
        rows = [_json(path, line) for line in text.splitlines() if line.strip()]
    elif path.suffix == ".json":
        state = _json(path, text)
        rows = state.get("log_history") if isinstance(state, dict) else state
        settings = _numbers(state) if isinstance(state, dict) else {}
        if not isinstance(rows, list):
            raise AuditError(
                f"{path} has no log_history: give a trainer_state.json, or an export as CSV or JSON lines."
            )
    else:
        raise AuditError(f"{path} is no log: give trainer_state.json, a CSV or .jsonl export, or completions .parquet.")
    entries = [entry for row in rows if isinstance(row, Mapping) if (entry := _entry(row)) is not None]
    if not entries:
        raise AuditError(f"{path} has no row with a step ({', '.join(STEPS)}): export the history with its steps.")
    return TrainingLog(path, _merged(entries), settings)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise AuditError(f"{path} is larger than {LARGEST_FILE >> 20} MB: export the training metrics alone.")
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"{path} cannot be read as text ({error}): give the trainer's log.") from error


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise AuditError(f"{path} is not JSON ({error}): copy or export the log again.") from error


def _csv_rows(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        return list(csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise AuditError(f"{path} is no CSV ({error}): export the log again.") from error


def _entry(row: Mapping[Any, Any]) -> dict[str, float] | None:
    """Return a row's numbers under TRL's names, or None if it has no step or is one of evaluation."""
    numbers = _numbers(row)
    step = next((numbers[name] for name in STEPS if name in numbers), None)
    if step is None or not 0 <= step < 2**53:
        return None
    metrics = {_name(name): value for name, value in numbers.items() if name not in STEPS}
    return {"step": float(int(step))} | metrics


def _name(name: str) -> str:
    """Return TRL's name of a tracker's column, such as "my-run - train/kl"."""
    bare = name.rpartition(" - ")[2].removeprefix("train/")
    return VERL.get(bare, bare)


def _numbers(row: Mapping[Any, Any]) -> dict[str, float]:
    return {str(name): number for name, value in row.items() if (number := _number(value)) is not None}


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return math.copysign(math.inf, number) if abs(number) > LARGEST_NUMBER else number


def _merged(entries: list[dict[str, float]]) -> list[dict[str, float]]:
    """Return one entry per step in order: trackers write a row for each call."""
    steps: dict[float, dict[str, float]] = {}
    for entry in entries:
        steps.setdefault(entry["step"], {}).update(entry)
    return [steps[step] for step in sorted(steps)]
