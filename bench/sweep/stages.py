"""What an experiment runs, stage by stage, and what of it can be planned before it runs.

Without a `[protocol]` there is one stage, the grid. With one, the winners of the trials make the second.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rlvr_bench.experiment.cell import Cell, cells
from rlvr_bench.experiment.experiment import Experiment
from rlvr_bench.experiment.protocol import Protocol
from rlvr_bench.plan.states import PlannedCell, plan
from rlvr_bench.record import store
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.sweep.trials import Contest, Selection, Winner, contests, final_cells
from rlvr_bench.sweep.winner import Verdict, decide


class StageCells(NamedTuple):
    """What a stage runs, what to say of it, and what it could not settle (one sentence each)."""

    cells: list[Cell]
    remarks: Sequence[str] = ()
    faults: Sequence[str] = ()


Stage = Callable[[list[RunRecord]], StageCells]
"""From the records so far to the cells of a stage."""


def stages(experiment: Experiment, selection: Selection) -> list[Stage]:
    """Return the stages of an experiment; what the file gets wrong is raised now, not when a stage is due.

    Raises:
        ExperimentError, ModelError, TaskError, MethodError: the grid names something that does not exist.
    """
    protocol = experiment.protocol
    if protocol is None:
        grid = _grid(experiment, selection)
        return [lambda _: StageCells(grid)]
    held = contests(experiment, protocol, selection)
    final_cells(experiment, [_placeholder(contest) for contest in held], selection)
    trials = [cell for contest in held for trial in contest.trials for cell in trial.cells]
    said = f"stage 1 of protocol {protocol.hash}: {protocol.trials} trials each of {len(held)} contests"
    return [
        lambda _: StageCells(trials, [said]),
        lambda records: _final_stage(experiment, protocol, held, selection, records),
    ]


class Plan(NamedTuple):
    """The state of all cells of all stages, the records of the folder, and what of it could not be read."""

    cells: list[PlannedCell]
    records: list[RunRecord]
    problems: list[str]


def plan_stages(experiment: Experiment, selection: Selection, results: Path) -> Plan:
    """Compare all stages with a results folder; the final cells of an undecided contest wait, with the reason."""
    protocol, (records, broken) = experiment.protocol, store.load_all(results)
    problems = [str(problem) for problem in broken]
    if protocol is None:
        return Plan(plan(_grid(experiment, selection), results, records), records, problems)
    held = contests(experiment, protocol, selection)
    planned = plan((cell for contest in held for trial in contest.trials for cell in trial.cells), results, records)
    verdicts = [decide(contest, protocol, _by_id(records)) for contest in held]
    planned += plan(final_cells(experiment, _winners(verdicts), selection), results, records)
    undecided: dict[str, list[Winner]] = {}
    for verdict in verdicts:
        if verdict.tuning is None:
            undecided.setdefault(verdict.why, []).append(_placeholder(verdict.contest))
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
    held: list[Contest],
    selection: Selection,
    records: list[RunRecord],
) -> StageCells:
    verdicts = [decide(contest, protocol, _by_id(records)) for contest in held]
    remarks = [_remark(verdict) for verdict in verdicts if verdict.tuning is not None]
    faults = [f"{verdict.contest.label}: {verdict.why}" for verdict in verdicts if verdict.tuning is None]
    return StageCells(final_cells(experiment, _winners(verdicts), selection), ["stage 2", *remarks], faults)


def _remark(verdict: Verdict) -> str:
    tuning = verdict.tuning
    if tuning is None or verdict.winner is None:
        raise ValueError(f"{verdict.contest.label} has no winner to speak of")
    best = verdict.winner.cells[0]
    failed = tuning.trials - len(tuning.ranking)
    parts = [f"{best.method_name} wins with {tuning.validation[tuning.ranking[0]]:.1%} on validation"]
    parts += [f"tied with {tuning.tied} more"] if tuning.tied else []
    parts += [f"{failed} of {tuning.trials} trials have no result"] if failed else []
    return f"{verdict.contest.label}: {', '.join(parts)}"


def _winners(verdicts: list[Verdict]) -> list[Winner]:
    return [
        Winner(verdict.contest, verdict.winner.entry, verdict.tuning)
        for verdict in verdicts
        if verdict.winner is not None
    ]


def _placeholder(contest: Contest) -> Winner:
    """Return what stands for a winner that is not known yet: right in all but its settings."""
    return Winner(contest, contest.trials[0].entry, None)


def _by_id(records: list[RunRecord]) -> Mapping[str, RunRecord]:
    return {record.cell_id: record for record in records}
