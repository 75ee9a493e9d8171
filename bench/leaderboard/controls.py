"""What a gain must beat to be the verifier's doing: control rewards, and the base under its best prompt.

A control reward never pays for being right. What a method gains from one, all else equal, any reward would have given
(Shao et al. 2025, "Spurious Rewards", arXiv 2506.10947); what the base gains from another prompt is no learning.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.leaderboard.columns import Row, interval_columns
from rlvr_bench.leaderboard.row import Entry, outcome_matrix
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.record.numbers import strict_json
from rlvr_bench.record.schema import RunRecord, Score
from rlvr_bench.stats.estimate import Estimate, difference

CONTROL_REWARDS = ("format", "incorrect", "inverted", "length", "no-repetition", "random", "strategy")
"""Rewards that never pay for being right. Add a new one here, and nowhere else."""

MIN_SEEDS = 2
"""Scored seeds without which a gain over a control has no interval."""


def controls(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Return the entries that were trained on a control reward, by what else they were trained with."""
    by_settings: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if is_control(entry) and len(entry.problem_sets) == 1:
            by_settings[_all_but_reward(entry.first)].append(entry)
    return by_settings


def is_control(entry: Entry) -> bool:
    """Whether an entry was trained on a control reward."""
    return entry.first.keys.reward["name"] in CONTROL_REWARDS


def control_columns(entry: Entry, by_settings: dict[str, list[Entry]]) -> Row:
    """Return the gain over the strongest control of the same settings, nothing without one.

    The strongest is the one with the highest accuracy. Problems are paired; seeds are independent, as in every
    difference of two trainings (`stats.estimate.difference`). The gain has an interval where both have two
    seeds or more. `beats_control` is "yes" only if the gain over each control is above 0 beyond noise, "no" if one of
    the controls is better beyond noise.
    """
    if not by_settings or is_control(entry):
        return {}
    same_settings = by_settings.get(_all_but_reward(entry.first), ())
    rivals = [control for control in same_settings if control.problem_sets == entry.problem_sets]
    if not rivals:
        return {}
    own = entry.outcomes("tuned")
    gains = [difference(own, rival.outcomes("tuned")) for rival in rivals]
    least = min(range(len(gains)), key=lambda place: gains[place].mean)
    seeded = all(len(one.scored) >= MIN_SEEDS for one in [entry, *rivals])
    gain = interval_columns("gain_over_control", gains[least])
    return gain | {
        "gain_over_control_lo": gains[least].low if seeded else None,
        "gain_over_control_hi": gains[least].high if seeded else None,
        "control": strict_json(rivals[least].first.keys.reward),
        "beats_control": _verdict(gains) if seeded else "undecided",
    }


def control_remark(row: Row) -> list[str]:
    """Return what the status says of a row that does not beat its controls."""
    remarks = {"no": "worse than control reward", "undecided": "not significantly different from control reward"}
    verdict = row.get("beats_control")
    return [f"{remarks[verdict]} {row['control']}"] if isinstance(verdict, str) and verdict in remarks else []


def prompt_columns(entry: Entry) -> Row:
    """Return the gain over the untrained base under its best prompt style, nothing where no styles were scored.

    The best of several styles is chosen on the same problems, which favours the base.
    """
    styles = _prompt_scores(entry)
    if not styles:
        return {}
    best = max(sorted(styles), key=lambda style: styles[style].greedy or 0.0)
    gain = difference(entry.outcomes("tuned"), outcome_matrix([styles[best]]))
    accuracy = styles[best].greedy
    return {"best_prompt": best, "best_prompt_accuracy": accuracy} | interval_columns("gain_over_best_prompt", gain)


def _verdict(gains: Sequence[Estimate]) -> str:
    if any(gain.high < 0 for gain in gains):
        return "no"
    return "yes" if all(gain.low > 0 for gain in gains) else "undecided"


def _all_but_reward(record: RunRecord) -> str:
    """Return what a control must share: all settings but reward and seed; settings of another version as they are."""
    try:
        return Cell.model_validate(record.cell).apart_from_reward
    except (ValidationError, MethodError, ExperimentError):
        return strict_json({name: value for name, value in record.cell.items() if name not in ("reward", "seed")})


def _prompt_scores(entry: Entry) -> dict[str, Score]:
    """Return the base's scores by prompt style, of the first record that has them on the entry's problems."""
    for record in entry.scored:
        usable = {
            style: score
            for style, stored in (record.measurement("prompt_range") or {}).items()
            if (score := Score.model_validate(stored))
            and score.greedy is not None
            and {score.problem_set} == entry.problem_sets
        }
        if usable:
            return usable
    return {}
