"""Rows of different comparisons side by side: rewards on each base, signals, and transfer to other tasks.

Accuracies of such rows are not ranked together; their gains over their own base may be looked at together.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from rlvr_bench.experiment.scored import label, score_tasks
from rlvr_bench.experiment.settings import GrpoSettings, RlvrSettings
from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.leaderboard.row import BASE_METHOD
from rlvr_bench.leaderboard.standings import row_key
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.report.effects import effects
from rlvr_bench.report.material import Material

Factor = Literal["reward", "signal"]

DISTINGUISHED_BY = ("teacher_accuracy", "preference_pairs", "label_noise", "sft_share")
"""Settings of a signal that make it another one to a reader."""

_SHOWN = ("base", "reward", "method", "gain", "gain_lo", "gain_hi", "accuracy", "lr")


def contrast(material: Material, factor: Factor) -> list[dict[str, Any]]:
    """Return the rows that have a counterpart which differs in `factor` (and with it in comparison and rate) alone.

    Each is {base, task, signal, reward, method, settings, row, gain, gain_lo, gain_hi, accuracy, lr} and what its runs
    say of the effect (see `effects`); `row` is its place in the leaderboard, `settings` what its group shares.
    """
    groups: dict[tuple[str, ...], list[tuple[dict[str, Any], tuple[RunRecord, ...]]]] = {}
    for place, row in enumerate(material.rows):
        runs = material.runs.get(row_key(row), ())
        if row["method"] == BASE_METHOD or row["gain"] is None or not runs:
            continue
        cell = runs[0].cell
        if cell.get("interventions"):  # what was done on purpose is no further evidence on methods
            continue
        point: dict[str, Any] = {name: row[name] for name in _SHOWN} | {
            "row": place,
            "task": label(cell["task"]),
            "signal": signal_phrase(cell["signal"]),
            "settings": _settings(cell["signal"], row, factor),
        }
        groups.setdefault(_key(point, row, runs[0], factor), []).append((point, tuple(runs)))
    kept = [group for group in groups.values() if len({point[factor] for point, _ in group}) > 1]
    return [
        point | effects(runs, material.steps)
        for group in kept
        for point, runs in sorted(group, key=lambda one: int(one[0]["row"]))
    ]


def _key(point: Mapping[str, Any], row: Row, run: RunRecord, factor: Factor) -> tuple[str, ...]:
    """Return what all rows of a group share."""
    own = point["signal"] if factor == "reward" else _paid(run)
    problems = run.cell.get("task_fingerprint", point["task"])
    return tuple(map(str, (point["base"], problems, own, point["method"], row["method_config"], point["settings"])))


def _paid(run: RunRecord) -> str:
    """Return the reward of a run; a signal that knows none, or learns one, is about the verifier all the same."""
    reward = run.cell["reward"]
    return json.dumps({"name": "exact"} if reward["name"] in ("none", "learned") else reward, sort_keys=True)


def signal_phrase(signal: Mapping[str, Any]) -> str:
    """Return a signal for a reader: its type and what makes it another one of that type."""
    told = [f"{key.replace('_', ' ')} {signal[key]:g}" for key in DISTINGUISHED_BY if signal.get(key)]
    # A perfect teacher is what supervised fine-tuning means by itself.
    return ", ".join([str(signal["type"]), *(word for word in told if word != "teacher accuracy 1")])


def _settings(signal: Mapping[str, Any], row: Row, factor: Factor) -> str:
    """Return what must be equal beside base, task and method: the budget, and for rewards how the policy is updated."""
    if factor == "signal":
        return str(row["match"])
    defaults = RlvrSettings().model_dump(mode="json")
    changed = [
        f"{name.replace('_', ' ')} {'off' if signal[name] is None else signal[name]}"
        for name in GrpoSettings.model_fields
        if name in signal and signal[name] != defaults[name] and name not in ("steps", "match", "budget", "kl_every")
    ]
    return ", ".join([str(row["match"]), *changed])


def transfer(material: Material) -> dict[str, Any]:
    """Return the scores of rows on tasks that they were not trained on.

    Returns:
        `tasks`, the scored tasks; `rows`, each with its setting, `own` gain, and `scores` by task ({accuracy, gain}).
    """
    found: list[dict[str, Any]] = []
    for place, row in enumerate(material.rows):
        runs = material.runs.get(row_key(row), ())
        if isinstance(row["transfer"], str) and runs:
            setting: dict[str, Any] = {name: row[name] for name in ("base", "reward", "method")}
            cell = runs[0].cell
            setting |= {"task": label(cell["task"]), "signal": signal_phrase(cell["signal"])}
            # The same task has another name in the scores of another cell: what it is called here is the same for all.
            asked = score_tasks(cell)
            scores = {
                label(asked[name]) if name in asked else name: score
                for name, score in json.loads(row["transfer"]).items()
            }
            found.append(setting | {"row": place, "own": row["gain"], "scores": scores})
    return {"tasks": sorted({task for row in found for task in row["scores"]}), "rows": found}
