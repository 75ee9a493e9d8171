"""What an experiment runs, phase by phase, and what of it can be planned before it runs.

Without a `[protocol]` there is one phase, the grid. With one, the trials are stage 1 of the protocol, and their winners
make stage 2. (A `Stage` in `cell.events` is a part of one cell.)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.measurements import check as check_measurements
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.plan.related import related
from rlvr_bench.plan.states import PlannedCell, plan
from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.sweep.protocol_trials import Selection, TuningStudy, Winner, final_cells, tuning_studies
from rlvr_bench.sweep.winner import Decision, decide


class PhaseCells(NamedTuple):
    """What a stage runs, what to say of it, and what it could not settle (one sentence each).

    `study` names the study by which machines share trials; None of other cells.
    """

    cells: list[Cell]
    remarks: Sequence[str] = ()
    faults: Sequence[str] = ()
    study: str | None = None


Phase = Callable[[list[RunRecord]], PhaseCells]
"""From the records so far to the cells of a stage."""


class Phases:
    """The stages of an experiment: those of its trials, until every winner is known, then its final cells."""

    def __init__(self, experiment: Experiment, selection: Selection) -> None:
        """Resolve what can be resolved now; what the file gets wrong is raised here, not when a stage is due.

        Raises:
            ExperimentError, ModelError, TaskError, MethodError: the grid names something that does not exist.
        """
        check_measurements(experiment.measurements)
        self._experiment, self._selection, self._protocol = experiment, selection, experiment.protocol
        self._studies = [] if self._protocol is None else tuning_studies(experiment, self._protocol, selection)
        if self._protocol is None:
            self._grid(selection)
        else:
            final_cells(experiment, [_placeholder(study) for study in self._studies], selection)
        self._requested: set[str] = set()
        self._tuned = not self._studies

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the final cells."""
        return self._selection.seeds or self._experiment.seeds

    @property
    def seen_seeds(self) -> frozenset[int]:
        """Seeds that no final cell may have."""
        return frozenset(() if self._protocol is None else self._protocol.seeds)

    def __iter__(self) -> Iterator[Phase]:
        """Yield stage after stage; each must have been run before the next is taken."""
        yield from self.trials()
        yield self.final

    def trials(self) -> Iterator[Phase]:
        """Yield the stages of the trials, one for each halving and each extension of a range; none without a protocol.

        A cell is asked for once, so that one that fails whenever it is run ends nothing but its own trial.
        """
        while not self._tuned:
            yield self._next_trials

    def final(self, records: list[RunRecord], seeds: tuple[int, ...] | None = None) -> PhaseCells:
        """Return the final cells, of other seeds than the experiment's if they are given."""
        selection = self._selection if seeds is None else replace(self._selection, seeds=seeds)
        if self._protocol is None:
            return PhaseCells(self._grid(selection))
        return _final_stage(self._experiment, self._protocol, self._studies, selection, records)

    def _next_trials(self, records: list[RunRecord]) -> PhaseCells:
        if self._protocol is None:
            raise ValueError(f"{self._experiment.name} has no protocol, so it has no trials")
        by_id, protocol = _by_id(records), self._protocol
        decisions = [decide(study, protocol, by_id) for study in self._studies]
        first = not self._requested
        new = [cell for one in decisions for cell in one.cells if cell.id not in self._requested]
        self._requested |= {cell.id for cell in new}
        self._tuned = all(cell.id in by_id and by_id[cell.id].status != "failed" for cell in new)
        trials = " + ".join(f"{rung.trials} trials at {rung.seeds} seeds" for rung in protocol.rungs)
        remark = f"stage 1 of protocol {protocol.hash}: {trials}, each of {len(self._studies)} studies"
        open_studies = sum(one.tuning is None for one in decisions)
        again = f"{open_studies} of {len(decisions)} studies are not decided"
        return PhaseCells(new, [remark if first else again], study=f"{self._experiment.name}.{protocol.hash}")

    def _grid(self, selection: Selection) -> list[Cell]:
        return _grid(self._experiment, selection)


class Plan(NamedTuple):
    """The state of all cells of all stages, the related records of the folder, and what of these could not be read."""

    cells: list[PlannedCell]
    records: list[RunRecord]
    problems: list[str]


def plan_phases(experiment: Experiment, selection: Selection, results: Path) -> Plan:
    """Compare all stages with a results folder; the final cells of an undecided tuning study wait, with the reason.

    Raises what `phases` raises.
    """
    check_measurements(experiment.measurements)
    protocol = experiment.protocol
    if protocol is None:
        grid = _grid(experiment, selection)
        records, problems = _related_records(results, grid)
        return Plan(plan(grid, records), records, problems)
    studies = tuning_studies(experiment, protocol, selection)
    trials = [cell for study in studies for trial in study.trials for cell in trial.cells]
    final = final_cells(experiment, [_placeholder(study) for study in studies], selection, fixed=False)
    records, problems = _related_records(results, [*trials, *final])
    decisions = [decide(study, protocol, _by_id(records)) for study in studies]
    planned = plan((cell for decision in decisions for cell in decision.cells), records)
    planned += [PlannedCell(cell, "waiting", "a later halving") for one in decisions for cell in one.later]
    planned += plan(final_cells(experiment, _winners(decisions), selection), records)
    undecided: dict[str, list[Winner]] = {}
    for decision in decisions:
        if decision.tuning is None:
            undecided.setdefault(decision.why, []).append(_placeholder(decision.study))
    for why, placeholders in undecided.items():
        waiting = final_cells(experiment, placeholders, selection, fixed=False)
        planned += [PlannedCell(cell, "waiting", why) for cell in waiting]
    return Plan(planned, records, problems)


def _related_records(results: Path, cells: Sequence[Cell]) -> tuple[list[RunRecord], list[str]]:
    records, broken = store.load_all(results, related(results, cells))
    return records, [str(problem) for problem in broken]


def _grid(experiment: Experiment, selection: Selection) -> list[Cell]:
    return cells(
        experiment,
        only=selection.only,
        seeds=selection.seeds,
        data_dir=selection.data_dir,
        fetch=selection.fetch,
    )


def _final_stage(
    experiment: Experiment,
    protocol: Protocol,
    studies: list[TuningStudy],
    selection: Selection,
    records: list[RunRecord],
) -> PhaseCells:
    decisions = [decide(study, protocol, _by_id(records)) for study in studies]
    remarks = [_remark(decision) for decision in decisions if decision.tuning is not None]
    faults = [f"{decision.study.label}: {decision.why}" for decision in decisions if decision.tuning is None]
    return PhaseCells(final_cells(experiment, _winners(decisions), selection), ["stage 2", *remarks], faults)


def _remark(decision: Decision) -> str:
    tuning = decision.tuning
    if tuning is None or decision.winner is None:
        raise ValueError(f"{decision.study.label} has no winner to speak of")
    best = decision.winner.cells[0]
    failed = tuning.trials - len(tuning.ranking)
    parts = [f"{best.method_name} wins with {tuning.validation[tuning.ranking[0]]:.1%} on validation"]
    parts += [f"tied with {tuning.tied} more"] if tuning.tied else []
    parts += [f"final seeds spread over {', '.join(f'{rate:g}' for rate in tuning.spread)}"] if tuning.spread else []
    parts += [f"{failed} of {tuning.trials} trials have no result"] if failed else []
    return f"{decision.study.label}: {', '.join(parts)}"


def _winners(decisions: list[Decision]) -> list[Winner]:
    return [
        Winner(decision.study, decision.winner.entry, decision.tuning)
        for decision in decisions
        if decision.winner is not None
    ]


def _placeholder(study: TuningStudy) -> Winner:
    """Return what stands for a winner that is not known yet: right in all but its settings."""
    return Winner(study, study.trials[0].entry, None)


def _by_id(records: list[RunRecord]) -> Mapping[str, RunRecord]:
    return {record.cell_id: record for record in records}
