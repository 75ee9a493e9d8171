"""The columns of a row that say how sure its accuracy is: intervals, spread over seeds, tie groups.

What is computed how, and how often such intervals hold the truth, is said in `protocol`. Outcomes are greedy, 0
or 1, of shape (seeds, problems); the untrained base has one row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rlvr_bench.leaderboard.columns import Row, interval_columns
from rlvr_bench.record.memo import remembered
from rlvr_bench.stats.aggregate import aggregate_each, improvement, iqm
from rlvr_bench.stats.broken import mixture_mean
from rlvr_bench.stats.comparison import compare
from rlvr_bench.stats.estimate import Estimate, accuracies, differences, seed_sd
from rlvr_bench.stats.looks import ALPHA, LOOKS, Decision, Runs, decide
from rlvr_bench.stats.random_effects import Floats


@dataclass(frozen=True)
class Sample:
    """What of one row of a comparison all of its statistics follow from.

    Attributes:
        name: what readers call the row.
        problems: names the problems of `outcomes`; None, as they are, where the row was not scored on one set.
        outcomes: of all scored runs, shape (runs, problems); `sound`: which of them are sound, shape (runs,).
        base: outcomes of the row's own base, where its gain is known; one row for each evaluation of it.
        ranked: its runs as they are compared with other rows', None of a row that is not ranked.
    """

    name: str
    problems: str | None
    outcomes: Floats | None
    sound: NDArray[np.bool_] | None
    base: Floats | None
    ranked: Runs | None

    def to_bytes(self) -> bytes:
        """Return bytes that no other sample has."""
        ranked = self.ranked
        runs = (None, None, None) if ranked is None else (ranked.outcomes, ranked.places, ranked.count)
        parts = (self.name, self.problems, self.outcomes, self.sound, self.base, *runs)
        return b"".join(_to_bytes(part) for part in parts)


def _to_bytes(part: Any) -> bytes:
    if isinstance(part, np.ndarray):
        return f"{part.dtype.str}{part.shape}:".encode() + part.tobytes()
    return f"{part!r};".encode()


def statistics(samples: Mapping[str, Sample], full: Sequence[str]) -> dict[str, Row]:
    """Return the columns of a comparison's rows that need more than their own means, by row.

    They take most of the time of a leaderboard, and are computed once for the same outcomes.

    Args:
        samples: by the rows' keys, from which their draws follow.
        full: the rows of full fine-tuning; if there is one that is ranked, others are compared with it.
    """
    each = [part for key, sample in samples.items() for part in (key.encode(), sample.to_bytes())]
    return remembered("statistics", [repr(list(full)).encode(), *each], lambda: _statistics(samples, full))


def _statistics(samples: Mapping[str, Sample], full: Sequence[str]) -> dict[str, Row]:
    """Intervals come all at once: one by one they take most of the time."""
    outcomes = {
        key: Outcomes(one.outcomes, one.sound)
        for key, one in samples.items()
        if one.outcomes is not None and one.sound is not None
    }
    bases = {key: one.base for key, one in samples.items() if one.base is not None}
    runs = {key: one.ranked for key, one in samples.items() if one.ranked is not None}
    parts = [accuracy_columns(outcomes), gain_columns(outcomes, bases)]
    by_problems: dict[str, dict[str, Floats]] = {}
    for key in bases:
        by_problems.setdefault(str(samples[key].problems), {})[key] = outcomes[key].table
    parts += [seed_columns(tables, problems) for problems, tables in by_problems.items()]
    parts.append(ranking_columns(runs, {key: one.name for key, one in samples.items()}))
    trained = {key: outcomes[key].table for key, one in runs.items() if one.count is not None}
    baselines = [key for key in full if key in trained]
    if len(baselines) == 1:
        parts.append(improvement_columns(trained, baselines[0], str(samples[baselines[0]].problems)))
    columns: dict[str, Row] = {key: {} for key in samples}
    for part in parts:
        for key, added in part.items():
            columns[key].update(added)
    return columns


@dataclass(frozen=True)
class Outcomes:
    """The scored runs of one model: outcomes of shape (runs, problems), and which runs are sound, shape (runs,)."""

    table: Floats
    sound: NDArray[np.bool_]

    @property
    def sound_rows(self) -> Floats:
        """Outcomes of the sound runs."""
        return self.table[self.sound]

    def shown(self, of_sound: Estimate | None) -> Estimate | None:
        """Return the sound runs' estimate; one sound run among several has an accuracy, and no interval over runs."""
        return of_sound if self.sound.sum() > 1 or len(self.table) == 1 else None

    def mean(self, of_sound: Estimate | None, base: float = 0.0) -> Estimate:
        """Return the mean over all runs; gains, where a base is given. One run has an interval over problems only."""
        if len(self.table) == 1 and of_sound is not None:
            return of_sound
        return mixture_mean(self.table.mean(axis=1) - base, self.sound, self.shown(of_sound), base)


def accuracy_columns(tables: Mapping[str, Outcomes]) -> dict[str, Row]:
    """Return by model its accuracy given that a run is sound, and its mean over all runs, each with its interval."""
    of_sound = dict(zip(*_estimated({model: one.sound_rows for model, one in tables.items()}), strict=True))
    return {
        model: interval_columns("accuracy_sound", one.shown(of_sound.get(model)))
        | interval_columns("accuracy", one.mean(of_sound.get(model)))
        for model, one in tables.items()
    }


def _estimated(tables: Mapping[str, Floats]) -> tuple[list[str], list[Estimate]]:
    some = {model: table for model, table in tables.items() if len(table)}
    return list(some), accuracies(list(some.values()))


def seed_columns(tables: Mapping[str, Floats], problems: str) -> dict[str, Row]:
    """Return by model what its seeds say beside their mean: standard deviation and interquartile mean.

    Args:
        tables: outcomes of all seeds, by the models' names, from which their draws follow.
        problems: names the problems, which all share; equal names give equal draws.
    """
    middles = aggregate_each(iqm, {model: table for model, table in tables.items() if len(table) > 1}, problems)
    return {
        model: interval_columns("accuracy_sd", seed_sd(table)) | interval_columns("accuracy_iqm", middles.get(model))
        for model, table in tables.items()
    }


def gain_columns(tuned: Mapping[str, Outcomes], base: Mapping[str, Floats]) -> dict[str, Row]:
    """Return by model its gain over its base on the same problems; models without a base have none."""
    sound = {model: tuned[model].sound_rows for model in base if len(tuned[model].sound_rows)}
    gains = differences([(rows, base[model]) for model, rows in sound.items()])
    of_sound = dict(zip(sound, gains, strict=True))
    return {
        model: interval_columns("gain", tuned[model].mean(of_sound.get(model), float(outcomes.mean())))
        for model, outcomes in base.items()
    }


def ranking_columns(runs: Mapping[str, Runs], names: Mapping[str, str]) -> dict[str, Row]:
    """Return what is claimed of a comparison's rows: tie groups, equivalence, possible winners; and what it may miss.

    Args:
        runs: of the rows that may be ranked, by their keys; `names`: what readers call each.
    """
    decision = decide(runs)
    ranked = sorted({key for pair in decision.pairs for key in pair}) or list(runs)
    means = {key: runs[key].outcomes.mean() for key in ranked}
    groups = decision.letters(sorted(ranked, key=lambda key: (-means[key], key)))
    detectable = _detectable(runs, decision) if decision.look is not None else None
    return {
        key: {
            "rank_group": groups[key],
            "equivalent_to": ", ".join(sorted({names[other] for other in decision.equivalent_to(key)})) or None,
            "may_be_best": None if len(ranked) == 1 else "yes" if key in decision.may_be_best else "no",
            "detectable_difference": detectable,
        }
        | ({"look": decision.look} if runs[key].count is None else {})
        for key in ranked
    }


def _detectable(runs: Mapping[str, Runs], decision: Decision) -> float | None:
    """Return the difference that a typical pair is separated by at the last look, were it the first to be so."""
    tables = {key: table for key, one in runs.items() if (table := one.at(decision.look or 0)) is not None}
    return compare(tables).detectable(ALPHA / len(LOOKS) / max(len(decision.pairs), 1))


def improvement_columns(outcomes: Mapping[str, Floats], baseline: str, problems: str) -> dict[str, Row]:
    """Return by name the chance that a run scores higher than a run of `baseline`, which is one of the names."""
    others = {name: table for name, table in outcomes.items() if name != baseline}
    return {
        name: interval_columns(
            "improvement_over_full", improvement([table], [outcomes[baseline]], problems, (name, baseline))
        )
        for name, table in others.items()
    }
