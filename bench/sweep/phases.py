"""What an experiment runs, phase by phase, and what of it can be planned before it runs.

Without a `[protocol]` there is one phase, the grid. With one, the trials are stage 1 of the protocol, and their winners
make stage 2. (A `Stage` in `cell.events` is a part of one cell.)
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rlvr_bench.experiment.cell import Cell, cells
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.measurements import check as check_measurements
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.plan.states import PlannedCell, plan
from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.sweep.protocol_trials import Selection, TuningStudy, Winner, final_cells, tuning_studies
from rlvr_bench.sweep.winner import Decision, decide


class PhaseCells(NamedTuple):
    """What a stage runs, what to say of it, and what it could not settle (one sentence each)."""

    cells: list[Cell]
    remarks: Sequence[str] = ()
    faults: Sequence[str] = ()


Phase = Callable[[list[RunRecord]], PhaseCells]
"""From the records so far to the cells of a stage."""


def phases(experiment: Experiment, selection: Selection) -> list[Phase]:
    """Return the stages of an experiment; what the file gets wrong is raised now, not when a stage is due.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the grid names something that does not exist.
    """
    check_measurements(experiment.measurements)
    protocol = experiment.protocol
    if protocol is None:
        grid = _grid(experiment, selection)
        return [lambda _: PhaseCells(grid)]
    studies = tuning_studies(experiment, protocol, selection)
    final_cells(experiment, [_placeholder(study) for study in studies], selection)
    trials = [cell for study in studies for trial in study.trials for cell in trial.cells]
    remark = f"stage 1 of protocol {protocol.hash}: {protocol.trials} trials each of {len(studies)} studies"
    return [
        lambda _: PhaseCells(trials, [remark]),
        lambda records: _final_stage(experiment, protocol, studies, selection, records),
    ]


class Plan(NamedTuple):
    """The state of all cells of all stages, the records of the folder, and what of it could not be read."""

    cells: list[PlannedCell]
    records: list[RunRecord]
    problems: list[str]


def plan_phases(experiment: Experiment, selection: Selection, results: Path) -> Plan:
    """Compare all stages with a results folder; the final cells of an undecided tuning study wait, with the reason.

    Raises what `phases` raises.
    """
    check_measurements(experiment.measurements)
    protocol, (records, broken) = experiment.protocol, store.load_all(results)
    problems = [str(problem) for problem in broken]
    if protocol is None:
        return Plan(plan(_grid(experiment, selection), records), records, problems)
    studies = tuning_studies(experiment, protocol, selection)
    planned = plan((cell for study in studies for trial in study.trials for cell in trial.cells), records)
    decisions = [decide(study, protocol, _by_id(records)) for study in studies]
    planned += plan(final_cells(experiment, _winners(decisions), selection), records)
    undecided: dict[str, list[Winner]] = {}
    for decision in decisions:
        if decision.tuning is None:
            undecided.setdefault(decision.why, []).append(_placeholder(decision.study))
    for why, placeholders in undecided.items():
        waiting = final_cells(experiment, placeholders, selection, fixed=False)
        planned += [PlannedCell(cell, "waiting", why) for cell in waiting]
    return Plan(planned, records, problems)


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
