"""What a sweep searches: one method's space on one base under one reward, and the study that this is.

Points of `qmc`, `random` and `grid` are drawn ahead and queued, since Optuna's own samplers of that kind may give two
workers the same point; `tpe` (Watanabe 2023, arXiv 2304.11127) learns from what is finished.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, TPESampler

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.experiment.search_space import Range, Space, settings_at, space_of, trial_entry
from rlvr_bench.plugins.suggestion import did_you_mean
from rlvr_bench.stats.points import POINTS, grid
from rlvr_bench.sweep.objectives import OBJECTIVES
from rlvr_bench.sweep.protocol_trials import Selection, narrowed, trial_experiment
from rlvr_bench.sweep.pruners import Pruner

Sampler = Literal["tpe", "qmc", "random", "grid"]


@dataclass(frozen=True, slots=True)
class Search:
    """A sweep's questions; two of them with equal `study` names are one study."""

    experiment: Experiment
    """As trials see it: one base, one reward, scored on validation."""
    method: str
    space: Space
    sampler: Sampler
    pruner: Pruner
    objectives: tuple[str, ...]
    trials: int
    seed: int
    selection: Selection

    @property
    def steps(self) -> int:
        """Optimizer steps of a trial's cell."""
        return self.experiment.signals[0].steps

    @property
    def study(self) -> str:
        """Name of the study: readable, and unique through the hash of all that its values depend on."""
        first = self.cells(settings_at(self.space, [0.0] * len(self.space)))[0]
        content = {
            "comparison": first.comparison,
            "space": {key: dial.model_dump(mode="json") for key, dial in self.space.items()},
            "method": {k: v for k, v in self.experiment.methods[self.method].items() if k != "search"},
            "seeds": self.experiment.seeds,
            "points": [self.sampler, self.seed, self.trials if self.sampler == "grid" else None],
            "pruner": self.pruner,
            "objectives": self.objectives,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:6]
        return f"{self.experiment.name}.{first.comparison}.{self.method}.{self.sampler}.{digest}"

    def cells(self, settings: Mapping[str, Any]) -> list[Cell]:
        """Return the cells of a trial, one for each trial seed."""
        rounded = {
            key: dial.rounded(settings[key]) if isinstance(dial, Range) else settings[key]
            for key, dial in self.space.items()
        }
        name, entry = trial_entry(self.method, self.experiment.methods[self.method], rounded)
        return cells(self.experiment.model_copy(update={"methods": {name: entry}}), data_dir=self.selection.data_dir)

    def points(self) -> list[dict[str, Any]] | None:
        """Return the settings of all trials; None where the sampler chooses as it goes."""
        if self.sampler == "tpe":
            return None
        units: Sequence[Sequence[float]]
        if self.sampler == "grid":
            counts = [None if isinstance(dial, Range) else len(dial.choices) for dial in self.space.values()]
            try:
                units = grid(self.trials, counts)
            except ValueError as error:
                raise ExperimentError(f"--sampler grid: {error}; raise --trials, or take another sampler") from error
        else:
            units = POINTS[self.sampler](self.trials, self.seed).tolist()
        return [settings_at(self.space, unit) for unit in units]

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the space in Optuna's words."""
        return {
            key: _distribution(dial) if isinstance(dial, Range) else CategoricalDistribution(dial.choices)
            for key, dial in self.space.items()
        }

    def adaptive_sampler(self, number: int) -> BaseSampler:
        """Return what chooses the settings of trial `number` by the ones before; a third of the trials are random."""
        return TPESampler(
            seed=int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0]),
            n_startup_trials=min(10, max(2, self.trials // 3)),
            constant_liar=True,
        )


def search_of(
    experiment: Experiment,
    *,
    method: str,
    trials: int,
    sampler: str,
    pruner: str,
    objectives: tuple[str, ...],
    selection: Selection,
) -> Search:
    """Return the sweep that a command asks for, seeds and steps of a trial as in the experiment's protocol.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: what is asked for does not exist, or does not go together.
    """
    if method not in experiment.methods:
        raise ExperimentError(f'"{experiment.name}" has no method "{method}"{did_you_mean(method, experiment.methods)}')
    chosen_sampler: Sampler = _one_of("sampler", sampler, get_args(Sampler))
    chosen_pruner: Pruner = _one_of("pruner", pruner, get_args(Pruner))
    _check_objectives(objectives, chosen_pruner)
    for axis in ("bases", "tasks", "signals", "rewards"):
        if (several := len(getattr(experiment, axis))) > 1:
            raise ExperimentError(
                f'"{experiment.name}" has {several} {axis}, a sweep tunes on one; narrow it with --base, --task, or '
                f"--set {axis}=[...]"
            )
    entry = experiment.methods[method]
    searched = entry if "search" in entry else {key: value for key, value in entry.items() if key != "learning_rate"}
    protocol = experiment.protocol or Protocol()
    protocol = protocol.model_copy(update={"trial_seeds": selection.seeds or protocol.trial_seeds, "halving": ()})
    (narrow,) = narrowed(trial_experiment(experiment, protocol).model_copy(update={"methods": {method: searched}}))
    space = space_of(method, searched) or {}
    return Search(narrow, method, space, chosen_sampler, chosen_pruner, objectives, trials, protocol.seed, selection)


def _check_objectives(objectives: tuple[str, ...], pruner: Pruner) -> None:
    for name in objectives:
        _one_of("objective", name, tuple(OBJECTIVES))
    if not objectives or len(set(objectives)) < len(objectives):
        raise ExperimentError(f"--objective {','.join(objectives)}: name one or more objectives, each once")
    if len(objectives) > 1 and pruner != "none":
        raise ExperimentError(f"--pruner {pruner} goes with one objective; several have no single best trial")
    if pruner == "wilcoxon" and objectives != ("accuracy",):
        raise ExperimentError("--pruner wilcoxon compares accuracies problem by problem; use --objective accuracy")


def _one_of(option: str, name: str, known: tuple[str, ...]) -> Any:
    if name not in known:
        raise ExperimentError(f'--{option}: unknown {option} "{name}"{did_you_mean(name, known)}')
    return name


def _distribution(dial: Range) -> BaseDistribution:
    if dial.whole:
        return IntDistribution(round(dial.low), round(dial.high), log=dial.log)
    return FloatDistribution(dial.low, dial.high, log=dial.log)
