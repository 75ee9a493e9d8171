"""The two stages of a protocol, each an experiment of its own: the trials of every method, then the winners.

Choosing the winners needs records and is done elsewhere (`sweep.winner`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from rlvr_bench.experiment.cell import Cell, cells
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment, refuse_seen_seeds
from rlvr_bench.experiment.protocol import Protocol, Tuning
from rlvr_bench.experiment.search_space import Space, settings_at, space_of, trial_entry


@dataclass(frozen=True, slots=True)
class ProtocolTrial:
    """One point of a method's space, trained with every trial seed."""

    number: int
    entry: Mapping[str, Any]
    """The method's keys and its learning rate, as in an experiment file."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class TuningStudy:
    """The trials of one method on one base under one reward: among them is one winner."""

    method: str
    experiment: Experiment
    """Narrowed to this base and this reward."""
    space: Space
    trials: tuple[ProtocolTrial, ...]

    @property
    def label(self) -> str:
        """What a person calls it."""
        reward = " ".join(str(value) for value in self.experiment.rewards[0].values())
        what = (
            f"{self.experiment.bases[0].name}, {self.experiment.tasks[0]['name']}, "
            f"{self.experiment.signals[0].type}, {reward}"
        )
        return f"{self.method} on {what}"


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command line narrows an experiment to."""

    only: str | None = None
    seeds: tuple[int, ...] | None = None
    data_dir: Path | None = None
    fetch: bool = True
    """Whether what is not on this machine is fetched (see `cells`)."""


def tuning_studies(experiment: Experiment, protocol: Protocol, selection: Selection) -> list[TuningStudy]:
    """Return stage 1: for every base, reward and tuned method its trials, all scored on validation only.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the file asks for what does not exist, or a space has fewer
            different points than there are trials.
    """
    entries = _trial_entries(experiment, protocol)
    owners = {trial: name for name, trials in entries.items() for trial in trials}
    named = {trial: entry for trials in entries.values() for trial, entry in trials.items()}
    wanted = chosen_methods(experiment, selection.only)
    studies = []
    for narrow in narrowed(trial_experiment(experiment, protocol)):
        trial_entries = {trial: entry for trial, entry in named.items() if owners[trial] in wanted}
        if not trial_entries:
            continue
        grid = cells(
            narrow.model_copy(update={"methods": trial_entries}), data_dir=selection.data_dir, fetch=selection.fetch
        )
        for method in [name for name in entries if name in wanted]:
            trials = tuple(
                ProtocolTrial(number, entry, tuple(cell for cell in grid if cell.method_name == trial))
                for number, (trial, entry) in enumerate(entries[method].items())
            )
            studies.append(TuningStudy(method, narrow, _space(experiment, method), trials))
    return studies


class Winner(NamedTuple):
    """The method entry that won a study, and how it was found; None while that is not known."""

    study: TuningStudy
    entry: Mapping[str, Any]
    tuning: Tuning | None


def final_cells(
    experiment: Experiment, winners: list[Winner], selection: Selection, *, fixed: bool = True
) -> list[Cell]:
    """Return stage 2: each winner's settings with the experiment's own seeds; with `fixed`, what is not tuned too."""
    untuned = {name: entry for name, entry in experiment.methods.items() if fixed and space_of(name, entry) is None}
    wanted = chosen_methods(experiment, selection.only)
    grid: list[Cell] = []
    for narrow in narrowed(experiment):
        own = [winner for winner in winners if _same_setting(winner[0].experiment, narrow)]
        entries = {name: entry for name, entry in untuned.items() if name in wanted}
        entries |= {study.method: dict(entry) for study, entry, _ in own}
        if entries:
            grid += cells(
                narrow.model_copy(update={"methods": entries}),
                seeds=_final_seeds(experiment, selection),
                data_dir=selection.data_dir,
                fetch=selection.fetch,
                tuning={study.method: tuning for study, _, tuning in own if tuning is not None},
            )
    order = _final_seeds(experiment, selection)
    return sorted(grid, key=lambda cell: order.index(cell.seed))


def _final_seeds(experiment: Experiment, selection: Selection) -> tuple[int, ...]:
    seeds = selection.seeds or experiment.seeds
    try:
        if experiment.protocol is not None:
            refuse_seen_seeds(seeds, experiment.protocol)
    except ValueError as error:
        raise ExperimentError(f"--seeds: {error}") from error
    return seeds


def _trial_entries(experiment: Experiment, protocol: Protocol) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the method entries of all trials, by method and name of the trial, in the order of the points."""
    points, by_method = protocol.points, {}
    for name, entry in experiment.methods.items():
        space = space_of(name, entry)
        if space is None:
            continue
        trials = dict(trial_entry(name, entry, settings_at(space, point)) for point in points)
        if len(trials) < protocol.trials:
            raise ExperimentError(
                f"methods.{name}.search has {len(trials)} different settings at the {protocol.trials} points of the "
                "protocol; widen it, or ask for fewer trials"
            )
        by_method[name] = trials
    return by_method


def _space(experiment: Experiment, method: str) -> Space:
    return space_of(method, experiment.methods[method]) or {}


def trial_experiment(experiment: Experiment, protocol: Protocol) -> Experiment:
    """Return the experiment as its trials see it: their seeds and steps, scored on the validation split alone."""
    shorter = {} if protocol.trial_steps is None else {"steps": protocol.trial_steps}
    sampled = protocol.judged_by == "avg_k"
    scoring = {
        "splits": ("validation",),
        "sampled_splits": ("validation",) if sampled else (),
        "samples": experiment.evaluate.samples if sampled else 0,
        "extra_tasks": (),
    }
    return experiment.model_copy(
        update={
            "seeds": protocol.trial_seeds,
            "signals": tuple(signal.model_copy(update=shorter) for signal in experiment.signals),
            "evaluate": experiment.evaluate.model_copy(update=scoring),
        }
    )


def narrowed(experiment: Experiment) -> list[Experiment]:
    """Return one experiment for each base, intervention, task, signal and reward."""
    return [
        experiment.model_copy(
            update={
                "bases": (base,),
                "interventions": (changed,),
                "tasks": (task,),
                "signals": (signal,),
                "rewards": (reward,),
            }
        )
        for base in experiment.bases
        for changed in experiment.interventions
        for task in experiment.tasks
        for signal in experiment.signals
        for reward in (experiment.rewards if signal.fixed_reward is None else experiment.rewards[:1])
    ]


def _same_setting(trial: Experiment, final: Experiment) -> bool:
    """Whether a tuning study is about what a final experiment trains; steps may differ."""
    steps = {"steps": final.signals[0].steps}
    as_long = tuple(signal.model_copy(update=steps) for signal in trial.signals)
    return (trial.bases, trial.interventions, trial.tasks, as_long, trial.rewards) == (
        final.bases,
        final.interventions,
        final.tasks,
        final.signals,
        final.rewards,
    )


def chosen_methods(experiment: Experiment, only: str | None) -> set[str]:
    """Return the methods that a glob matches; raises ExperimentError if it matches none."""
    wanted = {name for name in experiment.methods if only is None or fnmatch(name, only)}
    if not wanted:
        raise ExperimentError(
            f'--only "{only}" matches no method of "{experiment.name}"; it has: {", ".join(experiment.methods)}'
        )
    return wanted
