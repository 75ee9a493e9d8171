"""The way of a cell: base model, method, training, geometry, evaluation, record.

Everything random comes from the cell's own seeds; everything shared (the base model's scores) comes from the cache.
"""

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

import methods.registry
import tasks.registry
from bench.evaluate.behaviour import behaviour, greedy_rows
from bench.evaluate.labels import Labels, cell_labels
from bench.evaluate.scores import (
    Scores,
    base_answers,
    base_scores,
    behaviour_split,
    memory,
    prompt_scores,
    questions,
    score_all,
)
from bench.experiment.cell import Cell
from bench.generate.backend import Backend, create_for
from bench.generate.prompt_ids import prompt_ids
from bench.geometry.cell import Pair, cell_geometry, in_a_cell
from bench.geometry.interventions import Intervention, intervene, of_config
from bench.geometry.kl import kl_growth
from bench.geometry.rank_one import rank_one_model
from bench.launch.events import Event
from bench.models import base as base_models
from bench.models.base import LoadedBase
from bench.record.environment import capture
from bench.record.schema import Cause, Cost, ModelRole, RunRecord, Stability, Status, StepRecord
from bench.train import rlvr, stability
from bench.train.divergence import divergence
from bench.train.problems import training_problems
from bench.train.run import Run, Trained
from bench.train.seeds import derive
from bench.train.signals import SIGNALS
from bench.train.step_record import peak_memory_bytes
from bench.verify.cell_column import full_and_tenth
from methods import attestation, budget
from methods.attestation import Attestation
from methods.handle import Handle
from tasks import rewards
from tasks.problem import Problem
from tasks.task import Task

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
    """Wall-clock seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def run_cell(cell: Cell, report: Report) -> CellResult:
    """Run one cell from its base model to its record.

    Raises:
        Exception: whatever ends it; the caller turns it into a failure record.
    """
    clock = _Clock()
    report(Event("load"))
    with clock.stage("load"):
        task = tasks.registry.create(cell.task, cell.data_dir)
        loaded = base_models.load(cell.base)
        interventions = of_config(loaded.model, cell.base)
        loaded = loaded._replace(model=intervene(loaded.model, interventions)) if interventions else loaded
        loaded.model.to("cuda" if torch.cuda.is_available() else "cpu")
        reference = copy.deepcopy(loaded.model).eval().requires_grad_(False)
        backend = create_for(cell.signal.rollout_backend, loaded.model)
        _check_unchanged(cell, loaded, task)
    report(Event("base"))
    with clock.stage("base"):
        base_accuracy = base_scores(cell, loaded, task, backend)
        prompts = prompt_scores(cell, loaded, task, backend)
        memory_before = memory(cell, loaded, task, None, backend)
        answers = base_answers(cell, loaded, task, backend)
        labels = cell_labels(cell, loaded, task, backend)
    with clock.stage("attach"):
        method = budget.resolve(methods.registry.create(cell.method), loaded.model)
        observed = attestation.observe(loaded.model, method)
        calibration = _prompts(cell, loaded, task)[:CALIBRATION_PROMPTS] if method.needs_calibration else None
        handle = method.attach(loaded.model, derive(cell.seed, "adapter"), calibration)
        attested = attestation.begin(method, handle, observed)
        with handle.rollout_weights() as model:  # a method that cannot be merged may need another backend than the base
            backend = create_for(cell.signal.rollout_backend, model)
    with clock.stage("train"):
        run, steps, trainer = _train(cell, loaded, task, handle, reference, backend, labels, report)
        attestation.finish(attested, handle, trainer.optimizer)
    report(Event("geometry"))
    with clock.stage("geometry"):
        geometry = _geometry(cell, reference, run, interventions, steps) if handle.mergeable else None
    report(Event("evaluate"))
    with clock.stage("evaluate"), handle.rollout_weights() as model:
        tuned, samples = score_all(cell, model, loaded.tokenizer, task, backend)
        if cell.evaluate.kl_problems:
            tuned = _with_divergence(cell, tuned, model, reference, loaded, task, backend)
        memory_after = memory(cell, loaded, task, model, backend)
    thought = None
    if cell.verify is not None and handle.mergeable:
        with clock.stage("verify"), handle.rollout_weights() as model:
            thought = full_and_tenth(model, loaded.tokenizer, task, cell.verify)
    accuracy: dict[ModelRole, Scores] = {"base": base_accuracy, "tuned": tuned}
    if cell.evaluate.rank_one and handle.mergeable:
        with clock.stage("rank_one"):
            accuracy["rank_one"] = _rank_one_scores(cell, loaded, task, handle, reference, backend)
    stable = stability.summarise(steps, cell.signal.sampled_at_once, _start(cell, base_accuracy))
    status, cause = _verdict(attested, stable)
    split = behaviour_split(cell, task)
    record = RunRecord(
        cell=cell.model_dump(mode="json"),
        cell_id=cell.id,
        comparison=cell.comparison,
        status=status,
        cause=cause,
        attestation=attested.model_dump(mode="json"),
        accuracy=accuracy,
        prompts=prompts,
        contamination=None if memory_before is None else {"base": memory_before, "tuned": memory_after},
        behaviour=behaviour(answers, greedy_rows(samples, task.name, split), split),
        stability=stable,
        geometry=geometry,
        rollout=rlvr.rollout_record(backend.name, trainer.update_backend, steps),
        cost=Cost(
            seconds=clock.seconds | _inside_training(steps),
            tokens=run.meter.generated_tokens,
            peak_memory_bytes=peak_memory_bytes(),
        ),
        think=thought,
        ledger=run.meter.ledger(cell.signal),
        reward_model=run.meter.reward_model,
        environment=capture(),
    )
    return CellResult(record, steps, [row | {"cell_id": cell.id, "model": "tuned"} for row in samples])


def _with_divergence(
    cell: Cell,
    scores: Scores,
    tuned: PreTrainedModel,
    reference: PreTrainedModel,
    loaded: LoadedBase,
    task: Task,
    backend: Backend,
) -> Scores:
    """Return the scores with the KL to the base beside every one on a test split."""
    backends = (backend, create_for(cell.signal.rollout_backend, reference))
    for name, asked, split in questions(cell, task):
        if split == "test":
            found = divergence(tuned, reference, backends, loaded.tokenizer, asked, cell.evaluate)
            measured = {"kl": found.reverse, "kl_forward": found.forward}
            scores[name] = scores[name] | {split: scores[name][split].model_copy(update=measured)}
    return scores


def _check_unchanged(cell: Cell, loaded: LoadedBase, task: Task) -> None:
    """Raise ValueError when files changed after the plan: the result would stand under the wrong id."""
    if (loaded.fingerprint, task.fingerprint()) != (cell.base_fingerprint, cell.task_fingerprint):
        raise ValueError("the base model or the data changed after the run was planned; run the same command again")


def _check_length(cell: Cell, model: PreTrainedModel, prompts: list[list[int]]) -> None:
    """Raise ValueError when a prompt and its completion do not fit the model's context."""
    asked = max(map(len, prompts)) + max(cell.signal.max_new_tokens, cell.evaluate.max_new_tokens)
    context = getattr(model.config, "max_position_embeddings", None)
    if context is not None and asked > context:
        raise ValueError(
            f"a prompt and its completion take {asked} tokens, the model's context is {context}; lower max_new_tokens"
        )


def _start(cell: Cell, base: Scores) -> float | None:
    """Return the base's sampled accuracy, where it was sampled as the rollouts are: what a collapse is judged by."""
    asked, trained = cell.evaluate, cell.signal
    if (asked.max_new_tokens, asked.temperature) != (trained.max_new_tokens, trained.temperature):
        return None
    scores = base.get(str(cell.task["name"]), {}).values()
    return next((score.avg_k for score in scores if score.avg_k is not None), None)


def _train(
    cell: Cell,
    loaded: LoadedBase,
    task: Task,
    handle: Handle,
    reference: PreTrainedModel,
    backend: Backend,
    labels: Labels,
    report: Report,
) -> tuple[Run[Any], list[StepRecord], Trained]:
    problems = training_problems(task, cell.paid_reward, labels, cell.signal)
    encoded = _encoded(cell, loaded, task, problems)
    _check_length(cell, loaded.model, encoded)
    with tempfile.TemporaryDirectory(prefix="rlvr-bench-") as folder:
        run = Run(
            handle=handle,
            tokenizer=loaded.tokenizer,
            reference=reference,
            task=task,
            problems=problems,
            prompt_ids=encoded,
            reward=rewards.create(cell.paid_reward),
            backend=backend,
            settings=cell.signal,
            learning_rate=cell.learning_rate,
            seed=cell.seed,
            output_dir=folder,
            labels=labels,
        )
        steps, trainer = SIGNALS[cell.signal.type](run, lambda step: report(_training_event(step, cell)))
        return run, steps, trainer


def _prompts(cell: Cell, loaded: LoadedBase, task: Task) -> list[list[int]]:
    """Return the token ids of the prompts of the train split."""
    return _encoded(cell, loaded, task, task.problems("train"))


def _encoded(cell: Cell, loaded: LoadedBase, task: Task, problems: list[Problem]) -> list[list[int]]:
    return [prompt_ids(loaded.tokenizer, task.prompt(problem, cell.evaluate.prompt)) for problem in problems]


def _training_event(step: StepRecord, cell: Cell) -> Event:
    return Event("train", step.step, cell.signal.steps, step.reward, step.accuracy)


def _geometry(
    cell: Cell, reference: nn.Module, run: Run[Any], interventions: list[Intervention], steps: list[StepRecord]
) -> dict[str, Any]:
    growth, trajectory = kl_growth(steps), run.meter.trajectory
    over_steps = {
        "kl_per_step": growth.per_step,
        "kl_per_reward": growth.per_reward,
        "linearity_r2": trajectory.linearity() if trajectory else None,
    }
    return cell_geometry(_pairs(reference, run.handle), in_a_cell(reference), cell.id, interventions) | over_steps


def _rank_one_scores(
    cell: Cell, loaded: LoadedBase, task: Task, handle: Handle, reference: PreTrainedModel, backend: Backend
) -> Scores:
    """Score the update's leading directions alone: greedily, on the trained task's test split."""
    greedy = cell.evaluate.model_copy(update={"splits": ("test",), "samples": 0, "extra_tasks": ()})
    model = rank_one_model(reference, _pairs(reference, handle))
    return score_all(cell.model_copy(update={"evaluate": greedy}), model, loaded.tokenizer, task, backend)[0]


def _pairs(reference: nn.Module, handle: Handle) -> Iterator[Pair]:
    before = dict(reference.named_parameters())
    for name, after in handle.effective_weights():
        start = before[name].detach() if name in before else torch.zeros_like(after)  # a bias that the method added
        yield name, start, after


def _verdict(attested: Attestation, stable: Stability) -> tuple[Status, Cause | None]:
    if not attested.valid:
        fix = "compare attestation.requested with attestation.realised in run.json and mend the method"
        return "invalid", Cause(type="AttestationError", message="; ".join(attested.problems), fix=fix)
    if stable.collapse_rule is not None:
        message = f"training collapsed at step {stable.collapse_step} ({stable.collapse_rule})"
        return "collapsed", Cause(type="Collapse", message=message, fix="lower the learning rate, or raise kl_weight")
    return "done", None


def _inside_training(steps: list[StepRecord]) -> dict[str, float]:
    """Seconds of the parts of training, which the stage "train" holds in all."""
    return {
        f"train/{name}": sum(getattr(step, f"seconds_{part}") or 0.0 for step in steps)
        for part, name in (("rollout", "rollout"), ("verify", "verify"), ("train", "update"))
    }
