"""The winner of a tuning study, by successive halving over the records of its cells: what to run next, and who wins.

A trial counts with the mean over its seeds, collapsed seeds with their final accuracy. A trial with a failed, invalid
or stopped seed cannot win and gets no more seeds. Ties go to fewer collapsed seeds, then to the lower learning rate,
then to the earlier trial. Nothing is remembered: the same records lead to the same trials, so that a study goes on
wherever its records are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rlvr_bench.experiment.cell import Cell
from rlvr_bench.experiment.protocol import Protocol, Tuning
from rlvr_bench.experiment.search_space import LEARNING_RATE
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.stats.comparison import compare
from rlvr_bench.stats.looks import ALPHA
from rlvr_bench.stats.random_effects import Floats
from rlvr_bench.sweep.protocol_trials import End, ProtocolTrial, TuningStudy

Records = Mapping[str, RunRecord]
"""By cell id."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the records say of a tuning study; without `tuning` it is not decided, and `why` says so in one sentence.

    Attributes:
        study: with the trials that its range was extended by.
        cells: those of its trials so far, recorded or to be run next.
        later: what stands for cells of halvings to come: right in all but their settings.
    """

    study: TuningStudy
    winner: ProtocolTrial | None = None
    tuning: Tuning | None = None
    why: str = ""
    cells: tuple[Cell, ...] = ()
    later: tuple[Cell, ...] = ()


def decide(study: TuningStudy, protocol: Protocol, records: Records) -> Decision:
    """Return the winner of a study, or what has to be run before it is known.

    Args:
        records: a cell without a record has not been run yet.
    """
    rung, extensions, rungs = 0, 0, protocol.rungs
    halving = _Halving(study, protocol, records)
    while rung < len(rungs):
        missing = halving.enter(rung)
        if missing:
            return halving.waits(missing)
        best = halving.best(rung)
        if best is None:
            return halving.hopeless()
        end = halving.study.end_at(best) if extensions < protocol.extensions and halving.is_alone(rung) else None
        if end is not None and halving.extended(end, best):
            extensions, rung = extensions + 1, 0
        else:
            rung += 1
    return halving.decision()


class _Halving:
    """The trials of a study on their way from rung to rung."""

    def __init__(self, study: TuningStudy, protocol: Protocol, records: Records) -> None:
        self.study, self._protocol, self._records = study, protocol, records
        self._reached = dict[int, int]()
        """By number of a trial the seeds that it is judged by."""
        self._orders: list[list[ProtocolTrial]] = []
        """By rung the trials that can win there, the best first."""

    def enter(self, rung: int) -> list[Cell]:
        """Let the trials left train with the seeds of a rung; return the cells of them that have no record."""
        del self._orders[rung:]
        trials, seeds = self._protocol.rungs[rung]
        left = self.study.trials if rung == 0 else self._orders[rung - 1][:trials]
        for trial in left:
            self._reached[trial.number] = max(seeds, self._reached.get(trial.number, 0))
        missing = [cell for trial in left for cell in trial.cells[:seeds] if cell.id not in self._records]
        if not missing:
            scored = [(trial, self._runs(trial, seeds)) for trial in left]
            able = [(score, trial, runs) for trial, runs in scored if (score := self._score(runs)) is not None]
            able.sort(key=lambda one: (-one[0], _collapsed(one[2]), one[1].rate, one[1].number))
            self._orders.append([trial for _, trial, _ in able])
        return missing

    def best(self, rung: int) -> ProtocolTrial | None:
        """Return the best trial of a rung; None if none can win."""
        return next(iter(self._orders[rung]), None)

    def is_alone(self, rung: int) -> bool:
        """Whether the best trial of a rung is better than all others: where nothing learns, no range is extended."""
        seeds = self._protocol.rungs[rung].seeds
        scores = [self._score(self._runs(trial, seeds)) for trial in self._orders[rung][:2]]
        return len(set(scores)) == len(scores)

    def extended(self, end: End, best: ProtocolTrial) -> bool:
        """Add trials beyond an end of the range; return whether there are any."""
        before, self.study = len(self.study.trials), self.study.beyond(end, best)
        return len(self.study.trials) > before

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Those of all trials, as far as they got."""
        return tuple(cell for trial in self.study.trials for cell in trial.cells[: self._reached.get(trial.number, 0)])

    def waits(self, missing: Sequence[Cell]) -> Decision:
        """Return that trials are still to be run."""
        done = len(self.cells) - len(missing)
        later = [
            cell
            for (_, before), rung in zip(self._protocol.rungs, self._protocol.rungs[1:], strict=False)
            for trial in self.study.trials[: rung.trials]
            for cell in trial.cells[before : rung.seeds]
            if rung.seeds > max(self._reached.values())
        ]
        what = f"{done} of {len(self.cells) + len(later)} cells of its trials are done"
        return Decision(
            self.study, why=f"its settings follow from stage 1: {what}", cells=self.cells, later=tuple(later)
        )

    def hopeless(self) -> Decision:
        """Return that no trial can win."""
        runs = [self._records[cell.id] for cell in self.cells]
        causes = [record.cause.message for record in runs if record.cause is not None]
        last = f"; the last one: {causes[-1]}" if causes else ""
        none = f"none of its {len(self._reached)} trials has a result that counts{last}"
        return Decision(self.study, why=none, cells=self.cells)

    def decision(self) -> Decision:
        """Return the winner, when all rungs are done."""
        finalists = self._orders[-1]
        order = list(dict.fromkeys(trial.number for rung in reversed(self._orders) for trial in rung))
        winner = finalists[0]
        scores = [self._score(self._runs(trial, self._reached[trial.number])) for trial in self.study.trials]
        tuning = Tuning(
            protocol=self._protocol.hash,
            trials=len(self.study.trials),
            space={key: dial.model_dump(mode="json") for key, dial in self.study.space.items()},
            cells=tuple(
                tuple(cell.id for cell in trial.cells[: self._reached[trial.number]]) for trial in self.study.trials
            ),
            validation=tuple(scores),
            ranking=tuple(number for number in order if scores[number] is not None),
            tied=sum(scores[trial.number] == scores[winner.number] for trial in finalists) - 1,
            spread=self._spread(finalists) if self._protocol.spread_rates else (),
        )
        return Decision(self.study, winner, tuning, cells=self.cells)

    def _spread(self, finalists: Sequence[ProtocolTrial]) -> tuple[float, ...]:
        """Return the rates, the winner's first, of the last trials left that are not significantly worse."""
        winner = finalists[0]
        others = [trial for trial in finalists[1:] if _apart_from_rate(trial) == _apart_from_rate(winner)]
        alike = [trial for trial in others if self._are_alike(winner, trial)]
        return tuple(trial.rate for trial in (winner, *alike)) if alike else ()

    def _are_alike(self, one: ProtocolTrial, other: ProtocolTrial) -> bool:
        seeds = self._protocol.rungs[-1].seeds
        tables = [_outcomes(self._runs(trial, seeds)) for trial in (one, other)]
        if any(table is None for table in tables):
            return False
        compared = compare({name: table for name, table in zip("ab", tables, strict=True) if table is not None})
        return bool(compared.p_values[0] > ALPHA)

    def _runs(self, trial: ProtocolTrial, seeds: int) -> list[RunRecord]:
        return [self._records[cell.id] for cell in trial.cells[:seeds]]

    def _score(self, runs: list[RunRecord]) -> float | None:
        return _validation(runs, self._protocol)


def _apart_from_rate(trial: ProtocolTrial) -> dict[str, object]:
    return {key: value for key, value in trial.entry.items() if key != LEARNING_RATE}


def _outcomes(records: list[RunRecord]) -> Floats | None:
    """Return greedy outcomes on validation, shape (seeds, problems); None if a seed has none on the same problems."""
    scores = [record.score("tuned", str(record.keys.task["name"]), "validation") for record in records]
    known = [score for score in scores if score is not None and score.greedy_outcomes]
    if len(known) < len(scores) or len({score.problem_set for score in known}) != 1 or known[0].n < 2:
        return None
    digits = [np.frombuffer(score.greedy_outcomes.encode(), dtype=np.uint8) for score in known]
    return np.array(digits, dtype=np.float64) - ord("0")


def _validation(records: list[RunRecord], protocol: Protocol) -> float | None:
    """Return the mean validation accuracy over seeds; None if a seed has none that counts."""
    values = []
    for record in records:
        score = record.score("tuned", str(record.keys.task["name"]), "validation")
        if record.status not in ("done", "collapsed") or score is None:
            return None
        values.append(score.greedy if protocol.judged_by == "greedy" else score.avg_k)
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _collapsed(records: list[RunRecord]) -> int:
    return sum(record.status == "collapsed" for record in records)
