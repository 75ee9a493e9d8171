"""The way of a cell: base model, method, training, geometry, evaluation, record.

Everything random comes from the cell's own seeds; everything shared (the base model's scores) comes from the cache.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from rlvr_bench.cell.events import Event, Stage
from rlvr_bench.cell.kept import keep_weights, tracked_folder
from rlvr_bench.cell.measured import (
    After,
    Before,
    change_of_behaviour,
    geometry_of,
    measure_base,
    measure_tuned,
    rank_one_scores,
)
from rlvr_bench.cell.subject import Subject, load
from rlvr_bench.evaluate.labels import Labels
from rlvr_bench.evaluate.scores import Scores
from rlvr_bench.experiment.cell import Cell
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import Backend, create_for
from rlvr_bench.methods import attestation
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.attestation import Attestation
from rlvr_bench.methods.base import budget
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.record.environment import capture
from rlvr_bench.record.schema import Cause, Cost, ModelRole, RunRecord, Stability, Status, StepRecord
from rlvr_bench.tasks import rewards
from rlvr_bench.thinking.cell_column import full_and_tenth
from rlvr_bench.train import processes, rlvr, stability
from rlvr_bench.train.problems import training_problems
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.signals import SIGNALS
from rlvr_bench.train.step_record import WITHIN_STEP, peak_memory_bytes
from rlvr_bench.train.training_run import Trained, TrainingRun

CALIBRATION_PROMPTS = 256
"""Training prompts that a data-driven initialisation sees."""

Report = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class CellResult:
    """A finished cell, ready to be written."""

    record: RunRecord
    steps: list[StepRecord]
    samples: list[dict[str, Any]]


@dataclass(slots=True)
class _Clock:
    """Wall-clock seconds by stage; says where the cell is."""

    report: Report
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: Stage) -> Iterator[None]:
        self.report(Event(name))
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started


@dataclass(frozen=True, slots=True)
class _Method:
    """The method on the model; `backend` samples from it in float32 to score, `rollouts` in its precision to train."""

    handle: Handle
    attested: Attestation
    backend: Backend
    rollouts: Backend


@dataclass(frozen=True, slots=True)
class _Training:
    """What is left of training."""

    run: TrainingRun[Any]
    steps: list[StepRecord]
    trainer: Trained


def run_cell(cell: Cell, report: Report) -> CellResult | None:
    """Run one cell from its base model to its record; None in all but the first of several processes that train it.

    Raises:
        Exception: whatever ends it; the caller turns it into a failure record.
    """
    clock, geometry, thought = _Clock(report), None, None
    with clock.stage("load"):
        processes.set_device()
        subject = load(cell)
    with clock.stage("base"):
        before = measure_base(subject)
    with clock.stage("attach"):
        method = _attach(subject)
    handle, backend = method.handle, method.backend
    with clock.stage("train"):
        training = _train(subject, method, before.labels, report)
        attestation.finish(method.attested, handle, training.trainer.optimizer, _base_drifts(cell))
    if processes.rank():
        return None
    if handle.mergeable:
        with clock.stage("geometry"):
            geometry = geometry_of(subject, training.run, training.steps)
    with clock.stage("evaluate"), handle.rollout_weights() as model:
        after = measure_tuned(subject, model, backend)
    scores: dict[ModelRole, Scores] = {"base": before.scores, "tuned": after.scores}
    if cell.verify is not None and handle.mergeable:
        with clock.stage("verify"), handle.rollout_weights() as model:
            thought = full_and_tenth(model, subject.loaded.tokenizer, subject.task, cell.verify)
    if cell.evaluate.rank_one and handle.mergeable:
        with clock.stage("rank_one"):
            scores["rank_one"] = rank_one_scores(subject, handle, backend)
    if cell.keep_weights:
        with handle.rollout_weights() as model:
            keep_weights(cell, model)
    about_training = _about_training(cell, before, method, training, clock)
    record = RunRecord(
        **about_training,
        accuracy=scores,
        prompts=before.prompts,
        contamination=None if before.memory is None else {"base": before.memory, "tuned": after.memory},
        behaviour=change_of_behaviour(subject, before, after),
        geometry=geometry,
        think=thought,
    )
    return CellResult(record, training.steps, _samples(cell, after))


def _attach(subject: Subject) -> _Method:
    cell, model = subject.cell, subject.loaded.model
    method = budget.resolve(method_registry.create(cell.method), model)
    observed = attestation.observe(model, method)
    calibration = None
    if method.needs_calibration:
        calibration = subject.encoded(subject.task.problems("train"))[:CALIBRATION_PROMPTS]
    handle = method.attach(model, derive(cell.seed, "adapter"), calibration)
    attested = attestation.begin(method, handle, observed)
    with handle.rollout_weights() as merged:  # a method that cannot be merged may need another backend than the base
        backends = [create_for(cell.signal.rollout_backend, merged, dtype) for dtype in (torch.float32, _dtype(cell))]
        return _Method(handle, attested, *backends)


def _dtype(cell: Cell) -> torch.dtype:
    return torch.bfloat16 if cell.signal.precision == "bf16" else torch.float32


def _base_drifts(cell: Cell) -> bool:
    return getattr(cell.signal, "merge", "copy") == "in-place"


def _train(subject: Subject, method: _Method, labels: Labels, report: Report) -> _Training:
    cell = subject.cell
    problems = training_problems(subject.task, cell.paid_reward, labels, cell.signal)
    encoded = subject.encoded(problems)
    _check_length(cell, subject.loaded.model, encoded)
    if cell.signal.report_to:
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(tracked_folder(cell.id)))
    with tempfile.TemporaryDirectory(prefix="rlvr-bench-") as folder:
        run = TrainingRun(
            handle=method.handle,
            tokenizer=subject.loaded.tokenizer,
            reference=subject.reference,
            task=subject.task,
            problems=problems,
            prompt_ids=encoded,
            reward=rewards.create(cell.paid_reward),
            backend=method.rollouts,
            settings=cell.signal,
            learning_rate=cell.learning_rate,
            seed=cell.seed,
            output_dir=str(Path(folder) / f"{cell.method_name}-seed-{cell.seed}-{cell.id}"),
            labels=labels,
        )
        steps, trainer = SIGNALS[cell.signal.type](run, lambda step: report(_training_event(step, cell)))
        return _Training(run, steps, trainer)


def _check_length(cell: Cell, model: PreTrainedModel, prompts: list[list[int]]) -> None:
    """Raise ValueError when a prompt and its completion do not fit the model's context."""
    asked = max(map(len, prompts)) + max(cell.signal.max_new_tokens, cell.evaluate.max_new_tokens)
    context = getattr(model.config, "max_position_embeddings", None)
    if context is not None and asked > context:
        raise ValueError(
            f"a prompt and its completion take {asked} tokens, the model's context is {context}; lower max_new_tokens"
        )


def _training_event(step: StepRecord, cell: Cell) -> Event:
    return Event("train", step.step, cell.signal.steps, step.reward, step.accuracy)


def _about_training(cell: Cell, before: Before, method: _Method, training: _Training, clock: _Clock) -> dict[str, Any]:
    """Return the fields of the record that say what was trained, how it went, and what it took."""
    stable = stability.summarise(training.steps, cell.signal.sampled_at_once, _start(cell, before.scores))
    status, cause = _verdict(method.attested, stable)
    meter = training.run.meter
    return {
        "cell": cell.model_dump(mode="json"),
        "cell_id": cell.id,
        "comparison": cell.comparison,
        "status": status,
        "cause": cause,
        "attestation": method.attested.model_dump(mode="json"),
        "stability": stable,
        "rollout": rlvr.rollout_record(method.backend.name, training.trainer.update_backend, training.steps),
        "cost": Cost(
            seconds=clock.seconds | _inside_training(training.steps),
            tokens=meter.generated_tokens,
            peak_memory_bytes=peak_memory_bytes(),
        ),
        "ledger": meter.ledger(cell.signal),
        "reward_model": meter.reward_model,
        "environment": capture().model_copy(
            update={"float32_products": matmul.library(), "processes": processes.size()}
        ),
    }


def _start(cell: Cell, base: Scores) -> float | None:
    """Return the base's sampled accuracy, where it was sampled as the rollouts are: what a collapse is judged by."""
    asked, trained = cell.evaluate, cell.signal
    if (asked.max_new_tokens, asked.temperature) != (trained.max_new_tokens, trained.temperature):
        return None
    scores = base.get(str(cell.task["name"]), {}).values()
    return next((score.avg_k for score in scores if score.avg_k is not None), None)


def _verdict(attested: Attestation, stable: Stability) -> tuple[Status, Cause | None]:
    if not attested.valid:
        fix = "compare attestation.requested with attestation.realised in run.json and mend the method"
        return "invalid", Cause(type="AttestationError", message="; ".join(attested.problems), fix=fix)
    if stable.collapse_rule is not None:
        message = f"training collapsed at step {stable.collapse_step} ({stable.collapse_rule})"
        return "collapsed", Cause(type="Collapse", message=message, fix="lower the learning rate, or raise kl_weight")
    return "done", None


def _samples(cell: Cell, after: After) -> list[dict[str, Any]]:
    return [row | {"cell_id": cell.id, "model": "tuned"} for row in after.samples]


def _inside_training(steps: list[StepRecord]) -> dict[str, float]:
    """Seconds of the parts of training, which the stage "train" holds in all."""
    parts = {part: part for part in WITHIN_STEP} | {"train": "update"}
    return {
        f"train/{name}": sum(getattr(step, f"seconds_{part}") or 0.0 for step in steps) for part, name in parts.items()
    }
