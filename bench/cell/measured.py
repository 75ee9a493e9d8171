"""What a cell measures on its base before training, and on the trained model after it."""

from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from rlvr_bench.cell.subject import Subject
from rlvr_bench.evaluate.behaviour import behaviour, greedy_rows
from rlvr_bench.evaluate.contamination import Group
from rlvr_bench.evaluate.grading import SampleRow
from rlvr_bench.evaluate.labels import Labels, cell_labels
from rlvr_bench.evaluate.scores import (
    Scores,
    base_answers,
    base_scores,
    behaviour_split,
    memory,
    prompt_scores,
    questions,
    score_all,
)
from rlvr_bench.generate.backend import Backend, create_for
from rlvr_bench.geometry.cell import cell_geometry, in_a_cell
from rlvr_bench.geometry.kl_growth import kl_growth
from rlvr_bench.geometry.rank_one import rank_one_model
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.record.behaviour import Behaviour
from rlvr_bench.record.schema import Score, StepRecord
from rlvr_bench.train.divergence import divergence
from rlvr_bench.train.training_run import TrainingRun


@dataclass(frozen=True, slots=True)
class Before:
    """The untrained base: all of it comes from the cache where the cache has it."""

    scores: Scores
    prompts: dict[str, Score]
    memory: dict[str, Group] | None
    answers: list[SampleRow]
    labels: Labels


@dataclass(frozen=True, slots=True)
class After:
    """The trained model, with every completion that its scores rest on."""

    scores: Scores
    samples: list[SampleRow]
    memory: dict[str, Group] | None


def measure_base(subject: Subject) -> Before:
    """Score the untrained base on everything that the cell names, and make the labels that its reward needs."""
    asked = (subject.cell, subject.loaded, subject.task)
    return Before(
        scores=base_scores(*asked, subject.backend),
        prompts=prompt_scores(*asked, subject.backend),
        memory=memory(*asked, None, subject.backend),
        answers=base_answers(*asked, subject.backend),
        labels=cell_labels(*asked, subject.backend),
    )


def measure_tuned(subject: Subject, model: PreTrainedModel, backend: Backend) -> After:
    """Score a trained model on everything that the cell names."""
    cell, loaded, task = subject.cell, subject.loaded, subject.task
    scores, samples = score_all(cell, model, loaded.tokenizer, task, backend)
    if cell.evaluate.kl_problems:
        _add_divergence(subject, scores, model, backend)
    return After(scores, samples, memory(cell, loaded, task, model, backend))


def change_of_behaviour(subject: Subject, before: Before, after: After) -> Behaviour | None:
    """Compare the strategies of the base's greedy answers with the trained model's."""
    split = behaviour_split(subject.cell, subject.task)
    return behaviour(before.answers, greedy_rows(after.samples, subject.task.name, split), split)


def rank_one_scores(subject: Subject, handle: Handle, backend: Backend) -> Scores:
    """Score the update's leading directions alone: greedily, on the trained task's test split."""
    greedy = subject.cell.evaluate.model_copy(update={"splits": ("test",), "samples": 0, "extra_tasks": ()})
    asked = subject.cell.model_copy(update={"evaluate": greedy})
    model = rank_one_model(subject.reference, subject.pairs(handle))
    return score_all(asked, model, subject.loaded.tokenizer, subject.task, backend)[0]


def geometry_of(subject: Subject, run: TrainingRun[Any], steps: list[StepRecord]) -> dict[str, Any]:
    """Return what training did to the weights, with how it came about over the steps."""
    growth, trajectory = kl_growth(steps), run.meter.trajectory
    over_steps = {
        "kl_per_step": growth.per_step,
        "kl_per_reward": growth.per_reward,
        "linearity_r2": trajectory.linearity() if trajectory else None,
    }
    pairs, settings = subject.pairs(run.handle), in_a_cell(subject.reference)
    return cell_geometry(pairs, settings, subject.cell.id, subject.interventions) | over_steps


def _add_divergence(subject: Subject, scores: Scores, tuned: PreTrainedModel, backend: Backend) -> None:
    """Put the KL to the base beside every score on a test split."""
    cell, reference = subject.cell, subject.reference
    backends = (backend, create_for(cell.signal.rollout_backend, reference))
    for name, asked, split in questions(cell, subject.task):
        if split == "test":
            found = divergence(tuned, reference, backends, subject.loaded.tokenizer, asked, cell.evaluate)
            measured = {"kl": found.reverse, "kl_forward": found.forward}
            scores[name][split] = scores[name][split].model_copy(update=measured)
