"""Metrics of a step that are taken from its completions, and their means over processes; in TRL's lists by name."""

from collections.abc import Sequence
from statistics import fmean

from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.tasks.strategies import STRATEGIES
from rlvr_bench.train import processes

Metrics = dict[str, list[float]]
"""By name the values since the last step was logged, as TRL keeps them; it logs their means."""

OWN = (
    *("accuracy", "unparsed", "verifier_errors", "strategy/", "probe/", "sampling/sampling_logp_difference"),
    *("clip_ratio/fork_", "fork/", "kl_penalty", "rollouts_kept"),
)
"""How the metrics begin that are taken here and by our trainer, from the completions of one process."""


def record_verdicts(metrics: Metrics, verdicts: Sequence[Verdict]) -> None:
    """Record the shares of completions that are correct, that state no answer, and on which the verifier failed."""
    flags = {
        "accuracy": [verdict.correct for verdict in verdicts],
        "unparsed": [verdict.unread for verdict in verdicts],
        "verifier_errors": [verdict.reason == "error" for verdict in verdicts],
    }
    for metric, values in flags.items():
        metrics[metric].append(fmean(values))


def record_strategies(metrics: Metrics, completions: Sequence[str]) -> None:
    """Record the share of completions that use each strategy."""
    for name, strategy in STRATEGIES.items():
        metrics[f"strategy/{name}"].append(sum(map(strategy.used, completions)) / len(completions))


def share_metrics(metrics: Metrics) -> None:
    """Put what all processes saw in place of what this one did; TRL does so for its own metrics."""
    names = sorted(name for name in metrics if name.startswith(OWN))
    means = [fmean(metrics[name]) for name in names]
    count, most = processes.size(), processes.largest(means)
    for name, total, largest in zip(names, processes.sums(means), most, strict=True):
        metrics[name] = [largest if name.endswith("max") else total / count]
