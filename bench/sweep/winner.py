"""The winner of a tuning study: the trial with the best validation accuracy, from the records of its cells.

A trial counts with the mean over its seeds, collapsed seeds with their final accuracy. A trial with a failed or invalid
seed cannot win. Ties go to fewer collapsed seeds, then to the lower learning rate, then to the earlier trial.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from rlvr_bench.experiment.protocol import Protocol, Tuning
from rlvr_bench.record.schema import RunRecord
from rlvr_bench.sweep.protocol_trials import ProtocolTrial, TuningStudy


@dataclass(frozen=True, slots=True)
class Decision:
    """What the records say of a tuning study; without `tuning` it is not decided, and `why` says so in one sentence."""

    study: TuningStudy
    winner: ProtocolTrial | None = None
    tuning: Tuning | None = None
    why: str = ""


def decide(study: TuningStudy, protocol: Protocol, records: Mapping[str, RunRecord]) -> Decision:
    """Return the winner of a study.

    Args:
        records: by cell id; a trial without a record for each of its seeds has not been run yet.
    """
    waiting = [trial for trial in study.trials if any(cell.id not in records for cell in trial.cells)]
    if waiting:
        done = len(study.trials) - len(waiting)
        return Decision(study, why=f"its settings follow from stage 1: {done} of {len(study.trials)} trials are done")
    runs = {trial.number: [records[cell.id] for cell in trial.cells] for trial in study.trials}
    scores = {number: _validation(own, protocol) for number, own in runs.items()}
    able = {number: score for number, score in scores.items() if score is not None}
    if not able:
        causes = [record.cause.message for own in runs.values() for record in own if record.cause is not None]
        last = f"; the last one: {causes[-1]}" if causes else ""
        return Decision(study, why=f"none of its {len(runs)} trials has a result that counts{last}")
    ranking = sorted(able, key=lambda number: (-able[number], _collapsed(runs[number]), _rate(runs[number]), number))
    best = ranking[0]
    tuning = Tuning(
        protocol=protocol.hash,
        trials=protocol.trials,
        space={key: dial.model_dump(mode="json") for key, dial in study.space.items()},
        cells=tuple(tuple(cell.id for cell in trial.cells) for trial in study.trials),
        validation=tuple(scores[trial.number] for trial in study.trials),
        ranking=tuple(ranking),
        tied=sum(able[number] == able[best] for number in ranking) - 1,
    )
    return Decision(study, study.trials[best], tuning)


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


def _rate(records: list[RunRecord]) -> float:
    return records[0].keys.learning_rate or 0.0
