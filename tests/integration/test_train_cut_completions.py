"""Cut completions and stop texts, from the tokens of a backend to rewards, gradients and scores."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from launch_fixture import save_tiny_base

from rlvr_bench.evaluate.evaluator import evaluate
from rlvr_bench.experiment.settings import EvaluateSettings, RlvrSettings
from rlvr_bench.generate.backend import Completions
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.generate.stop_texts import finish
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.models.tokenizer import character_tokenizer
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.problem import Problem
from rlvr_bench.tasks.task import Task
from rlvr_bench.train.drawing import draw
from rlvr_bench.train.rlvr import train
from rlvr_bench.train.trainer import RolloutTrainer
from rlvr_bench.train.training_run import TrainingRun

LIMIT = 24


class Scripted:
    """A backend that says the same for every prompt of a problem; what is longer than the limit is cut."""

    name = "hf"

    def __init__(self, tokenizer: Any, says: Any, problems: Sequence[Problem]) -> None:
        self.tokenizer, self.says, self.problems = tokenizer, says, problems

    def refusal(self, model: Any) -> None:
        return None

    def generate(self, model: Any, prompts: list[list[int]], params: SamplingParams) -> Completions:
        ids = []
        for number, prompt in enumerate(prompts):
            asked = self.tokenizer.decode(prompt, skip_special_tokens=True)
            problem = next(each for each in self.problems if each.question in asked)
            text = self.says(problem, number)
            ids.append([*self.tokenizer(text)["input_ids"], self.tokenizer.eos_token_id][: params.max_new_tokens])
        truncated = [row[-1] != self.tokenizer.eos_token_id for row in ids]
        values = [[0.5] * len(row) for row in ids]
        return Completions(ids, [[-0.5] * len(row) for row in ids], values, truncated)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def _task(**settings: Any) -> Task:
    sizes = {"train": 8, "validation": 4, "test": 4}
    return task_registry.create({"name": "chain", "levels": [2]} | sizes | settings)


def _cut(problem: Problem, number: int) -> str:
    """The gold answer ends where the limit is: it may have been longer."""
    answer = f"#### {problem.answer}"
    return "x" * (LIMIT - 1 - len(answer)) + "\n" + answer + "3"


def _whole(problem: Problem, number: int) -> str:
    return f"#### {problem.answer}"


def _runs_on(problem: Problem, number: int) -> str:
    return f"#### {problem.answer}\nQuestion: 1+1 = ... #### 99"


def _train(
    base: LoadedBase, folder: Path, task: Task, says: Any, reward: Any = "exact"
) -> tuple[StepRecord, RolloutTrainer, list[dict[str, Any]]]:
    problems = task.problems("train")
    run = TrainingRun(
        handle=method_registry.create({"type": "full"}).attach(copy.deepcopy(base.model), seed=1),
        tokenizer=base.tokenizer,
        reference=copy.deepcopy(base.model).requires_grad_(False),
        task=task,
        problems=problems,
        prompt_ids=[prompt_ids(base.tokenizer, task.prompt(problem)) for problem in problems],
        reward=rewards.create(reward),
        backend=Scripted(base.tokenizer, says, problems),
        settings=RlvrSettings(steps=1, prompts_per_batch=2, group_size=4, max_new_tokens=LIMIT, probe_every=10**6),
        learning_rate=1e-3,
        seed=0,
        output_dir=str(folder),
    )
    seen: list[dict[str, Any]] = []
    original = RolloutTrainer._generate_and_score_completions

    def spy(self: RolloutTrainer, inputs: Any) -> dict[str, Any]:
        seen.append(original(self, inputs))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlvr_bench.train.probe.Probe.largest_difference", lambda *_: 0.0)
        patch.setattr(RolloutTrainer, "_generate_and_score_completions", spy)
        steps, trainer = train(run, lambda _: None)
    return steps[0], trainer, seen


@pytest.mark.parametrize("reward", ["exact", "format", "closeness"])
@pytest.mark.parametrize(("says", "paid"), [(_cut, 0.0), (_whole, 1.0)])
def test_a_cut_answer_is_not_paid(base: LoadedBase, tmp_path: Path, says: Any, paid: float, reward: str) -> None:
    step, _, _ = _train(base, tmp_path, _task(), says, reward)
    assert step.reward == pytest.approx(paid, abs=1e-6)
    assert step.accuracy == paid and step.unparsed == 1.0 - paid
    assert step.completions_clipped_ratio == 1.0 - paid


def test_what_stands_behind_a_stop_text_is_neither_paid_nor_learned_from(base: LoadedBase, tmp_path: Path) -> None:
    plain, _, _ = _train(base, tmp_path, _task(), _runs_on)
    assert plain.completions_clipped_ratio == 1.0
    step, _, seen = _train(base, tmp_path, _task(stop=["Question:"]), _runs_on)
    assert step.reward == step.accuracy == 1.0 and step.completions_clipped_ratio == 0.0
    batch = seen[0]
    for ids, mask in zip(batch["completion_ids"], batch["completion_mask"], strict=True):
        text = base.tokenizer.decode(ids[mask.bool()])
        assert text.endswith("\nQuestion:") and text.count("#") == 4


@pytest.mark.parametrize("samples", [0, 2])
def test_scores_are_of_finished_completions(base: LoadedBase, samples: int) -> None:
    settings = EvaluateSettings(samples=samples, max_new_tokens=LIMIT, batch_size=8)

    def scored(says: Any, **task: Any) -> Any:
        asked = _task(**task)
        backend = Scripted(base.tokenizer, says, asked.problems("test"))
        return evaluate(base.model, base.tokenizer, asked, "test", settings, backend)

    cut, rows = scored(_cut)
    assert (cut.greedy, cut.truncated, cut.unparsed) == (0.0, 1.0, 1.0)
    assert {row["reason"] for row in rows} == {"truncated"} and cut.avg_k == (0.0 if samples else None)
    whole, _ = scored(_whole)
    assert (whole.greedy, whole.truncated) == (1.0, 0.0) and whole.avg_k == (1.0 if samples else None)
    stopped, rows = scored(_runs_on, stop=["Question:"])
    assert (stopped.greedy, stopped.truncated) == (1.0, 0.0)
    assert all(row["completion"].endswith("\n") and row["finish_reason"] == "stop" for row in rows)


def test_samples_drawn_outside_of_grpo_are_finished_too(base: LoadedBase, tmp_path: Path) -> None:
    task = _task(stop=["Question:"])
    problems = task.problems("train")
    run = TrainingRun(
        handle=method_registry.create({"type": "full"}).attach(copy.deepcopy(base.model), seed=1),
        tokenizer=base.tokenizer,
        reference=base.model,
        task=task,
        problems=problems,
        prompt_ids=[prompt_ids(base.tokenizer, task.prompt(problem)) for problem in problems],
        reward=rewards.create("exact"),
        backend=Scripted(base.tokenizer, lambda p, n: _runs_on(p, n) if n % 2 else _cut(p, n), problems),
        settings=RlvrSettings(steps=1, prompts_per_batch=2, group_size=4, max_new_tokens=LIMIT),
        learning_rate=1e-3,
        seed=0,
        output_dir=str(tmp_path),
    )
    drawn = draw(run, [0, 1], 2, seed=0)
    assert [verdict.reason for verdict in drawn.verdicts] == ["truncated", "correct"] * 2
    assert drawn.truncated == [True, False] * 2
    assert drawn.accuracy == 0.5


def test_the_earliest_stop_text_ends_a_completion() -> None:
    tokenizer = character_tokenizer(64)
    texts = ["ab STOP cd END", "no end", "END", "x END STOP"]
    ids = [tokenizer(text)["input_ids"] for text in texts]
    completions = Completions(ids, [[-1.0] * len(row) for row in ids], None, [True] * 4)
    ended, found = finish(completions, tokenizer, ("STOP", "END"))
    assert found == ["ab ", "no end", "", "x "]
    assert tokenizer.batch_decode(ended.token_ids) == ["ab STOP", "no end", "END", "x END"]
    assert ended.truncated == [False, True, False, False]
    assert list(map(len, ended.logprobs)) == list(map(len, ended.token_ids))
    assert finish(completions, tokenizer, ())[0] is completions


def test_stop_texts_are_in_the_fingerprint_and_none_are_not() -> None:
    assert _task().fingerprint() == _task(stop=[]).fingerprint() != _task(stop=["Question:"]).fingerprint()
