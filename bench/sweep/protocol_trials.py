"""The two stages of a protocol, each an experiment of its own: the trials of every method, then the winners.

Choosing the winners needs records and is done elsewhere (`sweep.winner`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.experiment import Experiment, refuse_seen_seeds
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.protocol import Protocol, Tuning
from rlvr_bench.experiment.search_space import LEARNING_RATE, Range, Space, settings_at, space_of, trial_entry

End = Literal["low", "high"]
"""Of the rates that were tried."""

EXTENSION_TRIALS = 2
"""Trials beyond an end of a range, each time that it is extended."""


@dataclass(frozen=True, slots=True)
class ProtocolTrial:
    """One point of a method's space, trained with the first seeds of the protocol, or with all if it gets so far."""

    number: int
    entry: Mapping[str, Any]
    """The method's keys and its learning rate, as in an experiment file."""
    cells: tuple[Cell, ...]
    """In the order of the protocol's seeds."""

    @property
    def name(self) -> str:
        """Such as `lora@0.001`."""
        return self.cells[0].method_name

    @property
    def rate(self) -> float:
        """The learning rate."""
        return float(self.entry[LEARNING_RATE])


@dataclass(frozen=True, slots=True)
class Selection:
    """What the command line narrows an experiment to."""

    only: str | None = None
    seeds: tuple[int, ...] | None = None
    data_dir: Path | None = None
    fetch: bool = True
    """Whether what is not on this machine is fetched (see `cells`)."""


@dataclass(frozen=True, slots=True)
class TuningStudy:
    """The trials of one method on one base under one reward: among them is one winner."""

    method: str
    experiment: Experiment
    """Narrowed to this base and this reward."""
    space: Space
    trials: tuple[ProtocolTrial, ...]
    selection: Selection

    def end_at(self, best: ProtocolTrial) -> End | None:
        """Return the end of the rates tried at which a trial lies; None between them, or if no range is searched."""
        if not isinstance(self.space.get(LEARNING_RATE), Range):
            return None
        rates = [trial.rate for trial in self.trials]
        return "low" if best.rate == min(rates) else "high" if best.rate == max(rates) else None

    def beyond(self, end: End, best: ProtocolTrial) -> "TuningStudy":
        """Return the study with two more trials beyond an end, as far apart as the first ones; the rest as in `best`.

        The same study where no trainable rate lies beyond.
        """
        dial = self.space[LEARNING_RATE]
        if not isinstance(dial, Range):
            raise ValueError(f"{self.label}: {LEARNING_RATE} is one of a few choices, which has no end to extend")
        rates = dial.beyond(end, best.rate, self._protocol.trials, EXTENSION_TRIALS)
        others = {key: best.entry[key] for key in self.space if key != LEARNING_RATE}
        entry = self.experiment.methods[self.method]
        named = dict(trial_entry(self.method, entry, {LEARNING_RATE: rate} | others) for rate in rates)
        more = _trials(self.experiment, named, self.selection, len(self.trials)) if named else ()
        return replace(self, trials=(*self.trials, *more))

    @property
    def _protocol(self) -> Protocol:
        if self.experiment.protocol is None:
            raise ValueError(f"{self.experiment.name} has no protocol, so it has no tuning studies")
        return self.experiment.protocol

    @property
    def label(self) -> str:
        """What a person calls it."""
        reward = " ".join(str(value) for value in self.experiment.rewards[0].values())
        what = (
            f"{self.experiment.bases[0].name}, {self.experiment.tasks[0]['name']}, "
            f"{self.experiment.signals[0].type}, {reward}"
        )
        return f"{self.method} on {what}"


def tuning_studies(experiment: Experiment, protocol: Protocol, selection: Selection) -> list[TuningStudy]:
    """Return stage 1: for every base, reward and tuned method its trials, all scored on validation only.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the file asks for what does not exist, or a space has fewer
            different points than there are trials.
    """
    entries = _trial_entries(experiment, protocol)
    wanted = chosen_methods(experiment, selection.only)
    named = {trial: entry for name, trials in entries.items() if name in wanted for trial, entry in trials.items()}
    studies = []
    for narrow in narrowed(trial_experiment(experiment, protocol)):
        trials = {trial.name: trial for trial in _trials(narrow, named, selection)}
        for method in [name for name in entries if name in wanted]:
            own = tuple(replace(trials[name], number=number) for number, name in enumerate(entries[method]))
            studies.append(TuningStudy(method, narrow, _space(experiment, method), own, selection))
    return studies


def _trials(
    narrow: Experiment, named: Mapping[str, Mapping[str, Any]], selection: Selection, first: int = 0
) -> tuple[ProtocolTrial, ...]:
    """Return the trials of method entries by their names, numbered from `first`."""
    if not named:
        return ()
    grid = cells(
        narrow.model_copy(update={"methods": dict(named)}),
        data_dir=selection.data_dir,
        fetch=selection.fetch,
        stop_dead=None if narrow.protocol is None else narrow.protocol.stop_dead,
    )
    own = {name: tuple(cell for cell in grid if cell.method_name == name) for name in named}
    return tuple(ProtocolTrial(first + place, named[name], own[name]) for place, name in enumerate(named))


class Winner(NamedTuple):
    """The method entry that won a study, and how it was found; None while that is not known."""

    study: TuningStudy
    entry: Mapping[str, Any]
    tuning: Tuning | None

    @property
    def rates(self) -> tuple[float, ...]:
        """What the final seeds are spread over."""
        own = () if self.tuning is None else self.tuning.spread
        return own or (float(self.entry[LEARNING_RATE]),)

    def entry_at(self, place: int) -> dict[str, Any]:
        """Return the entry with the rate of a place among `rates`, which are taken in turn."""
        return dict(self.entry) | {LEARNING_RATE: self.rates[place % len(self.rates)]}


def final_cells(
    experiment: Experiment, winners: list[Winner], selection: Selection, *, fixed: bool = True
) -> list[Cell]:
    """Return stage 2: each winner's settings with the experiment's own seeds; with `fixed`, what is not tuned too.

    Seed s is trained at the rate s modulo their number of those that a winner's seeds are spread over.
    """
    untuned = {name: entry for name, entry in experiment.methods.items() if fixed and space_of(name, entry) is None}
    wanted = chosen_methods(experiment, selection.only)
    order = _final_seeds(experiment, selection)
    grid: list[Cell] = []
    for narrow in narrowed(experiment):
        own = [winner for winner in winners if _same_setting(winner.study.experiment, narrow)]
        counts = {winner.study.method: len(winner.rates) for winner in own}
        for place in range(max(counts.values(), default=1)):
            entries = {name: entry for name, entry in untuned.items() if name in wanted and place == 0}
            entries |= {winner.study.method: winner.entry_at(place) for winner in own if place < len(winner.rates)}
            if entries:
                grid += [
                    cell
                    for cell in cells(
                        narrow.model_copy(update={"methods": entries}),
                        seeds=order,
                        data_dir=selection.data_dir,
                        fetch=selection.fetch,
                        tuning={one.study.method: one.tuning for one in own if one.tuning is not None},
                    )
                    if cell.seed % counts.get(cell.method_name, 1) == place
                ]
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
            "seeds": protocol.seeds,
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
