"""The columns of a row that say how sure its accuracy is: intervals, spread over seeds, tie groups.

What is computed how, and how often such intervals hold the truth, is said in `protocol`. Outcomes are greedy, 0
or 1, of shape (seeds, problems); the untrained base has one row.
"""

from collections.abc import Mapping

from rlvr_bench.leaderboard.columns import Row
from rlvr_bench.stats.aggregate import aggregate, improvement, iqm
from rlvr_bench.stats.comparison import compare
from rlvr_bench.stats.estimate import Estimate, accuracies, differences, seed_sd
from rlvr_bench.stats.random_effects import Floats


def interval_columns(name: str, estimate: Estimate | None) -> Row:
    """Return the columns `name`, `name_lo` and `name_hi`, empty where there is no estimate."""
    if estimate is None:
        return {name: None, f"{name}_lo": None, f"{name}_hi": None}
    return {name: estimate.mean, f"{name}_lo": estimate.low, f"{name}_hi": estimate.high}


def accuracy_columns(outcomes: Mapping[str, Floats]) -> dict[str, Row]:
    """Return by model its mean accuracy with its interval."""
    found = zip(outcomes, accuracies(list(outcomes.values())), strict=True)
    return {model: interval_columns("accuracy", estimate) for model, estimate in found}


def seed_columns(outcomes: Floats, problems: str, model: str) -> Row:
    """Return what a method's seeds say beside their mean: standard deviation and interquartile mean.

    Args:
        problems, model: name the problems and the model; equal names give equal draws.
    """
    middle = aggregate(iqm, [outcomes], problems, model) if len(outcomes) > 1 else None
    return interval_columns("accuracy_sd", seed_sd(outcomes)) | interval_columns("accuracy_iqm", middle)


def gain_columns(tuned: Mapping[str, Floats], base: Mapping[str, Floats]) -> dict[str, Row]:
    """Return by model its gain over its base on the same problems; models without a base have none."""
    found = zip(base, differences([(tuned[model], outcomes) for model, outcomes in base.items()]), strict=True)
    return {model: interval_columns("gain", estimate) for model, estimate in found}


def ranking_columns(outcomes: Mapping[str, Floats]) -> dict[str, Row]:
    """Return tie groups, possible winners and the detectable difference, by the names of a comparison's ranked rows."""
    if not outcomes:
        return {}
    found = compare(outcomes)
    groups, best, detectable = found.letters(), found.best(), found.detectable()
    alone = len(outcomes) == 1
    return {
        name: {
            "rank_group": groups[name],
            "may_be_best": None if alone else "yes" if name in best else "no",
            "detectable_difference": detectable,
        }
        for name in outcomes
    }


def improvement_columns(outcomes: Mapping[str, Floats], baseline: str, problems: str) -> dict[str, Row]:
    """Return by name the chance that a run scores higher than a run of `baseline`, which is one of the names."""
    others = {name: table for name, table in outcomes.items() if name != baseline}
    return {
        name: interval_columns(
            "improvement_over_full", improvement([table], [outcomes[baseline]], problems, (name, baseline))
        )
        for name, table in others.items()
    }
