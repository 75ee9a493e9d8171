"""The way of a cell: load, base, attach, train, evaluate, measure, record.

Everything random comes from the cell's own seeds; everything shared (the base model's scores) comes from the cache.
"""

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_jsonable_python

from rlvr_bench.cell.artifacts import keep_weights
from rlvr_bench.cell.attach import attach
from rlvr_bench.cell.clock import Clock, Report
from rlvr_bench.cell.load import load
from rlvr_bench.cell.record import make_record
from rlvr_bench.cell.training import train
from rlvr_bench.evaluate.labels import cell_labels
from rlvr_bench.evaluate.scores import base_scores, score_all
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.measure import registry
from rlvr_bench.measure.context import TrainedModel
from rlvr_bench.record.schema import RunRecord, StepRecord
from rlvr_bench.tasks.verdicts import losses
from rlvr_bench.train import processes


@dataclass(frozen=True, slots=True)
class CellResult:
    """A finished cell, ready to be written."""

    record: RunRecord
    steps: list[StepRecord]
    samples: list[dict[str, Any]]


def run_cell(cell: Cell, report: Report) -> CellResult | None:
    """Run one cell from its base model to its record; None in all but the first of several processes that train it.

    Raises:
        Exception: whatever ends it; the caller turns it into a failure record.
    """
    clock, lost_before = Clock(report), losses().seconds
    with clock.stage("load"):
        processes.set_device()
        context = load(cell)
        scored = (cell, context.loaded, context.task, context.backend)
        measurements = registry.create(cell.measurements)
    with clock.stage("base"):
        base, labels = base_scores(*scored), cell_labels(*scored)
        for intervention in context.interventions:
            intervention.before(context)
        for measurement in measurements.values():
            measurement.before(context)
    with clock.stage("attach"):
        method = attach(context)
        handle, backend = method.handle, method.backend
        measuring = {name: each for name, each in measurements.items() if each.applies_to(handle)}
        for measurement in measuring.values():
            measurement.attached(context, handle)
    with clock.stage("train"):
        training = train(context, method, labels, () if processes.rank() else measurements.values(), report)
    if processes.rank():
        return None  # the first process scores, measures and records
    if training.stopped:  # what is left of it is not worth a score
        record = make_record(cell, method, training, (base, {}), {}, clock.seconds)
        return CellResult(record, training.steps, [])
    with clock.stage("evaluate"), handle.rollout_weights() as model:
        tuned, samples = score_all(cell, model, context.loaded.tokenizer, context.task, backend)
    trained = TrainedModel(handle, backend, training.steps, samples, training.linearity_r2)
    measured: dict[str, Any] = {}
    for name, measurement in measuring.items():
        with clock.stage(name):
            measured[name] = to_jsonable_python(measurement.after(context, trained))
    if cell.keep_weights:
        keep_weights(cell, handle, context.loaded.tokenizer)
    clock.seconds["verifier/lost"] = losses().seconds - lost_before
    results = {name: result for name, result in measured.items() if result is not None}
    record = make_record(cell, method, training, (base, tuned), results, clock.seconds)
    rows = [row | {"cell_id": cell.id, "model": "tuned"} for row in samples]
    return CellResult(record, training.steps, rows)
