"""Rewards in training: what moves no weight, the arithmetic of advantages and clips, labels, chosen problems."""

import copy
import multiprocessing
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launch_fixture import save_tiny_base, write_experiment
from torch import Tensor, nn

from rlvr_bench.console.progress import Report, Unwatched
from rlvr_bench.evaluate import labels as labels_module
from rlvr_bench.evaluate.completion import Completion, Graded
from rlvr_bench.evaluate.labels import LabelSource, majority, majority_labels
from rlvr_bench.experiment import experiment
from rlvr_bench.experiment.errors import ExperimentError
from rlvr_bench.experiment.grid import cells
from rlvr_bench.experiment.settings import RlvrSettings
from rlvr_bench.generate import matmul
from rlvr_bench.generate.backend import create
from rlvr_bench.generate.float32_products import LIBRARIES
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.grid.prepare_labels import prepare_labels
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.problem import Problem, Verdict
from rlvr_bench.tasks.rewards import Label, LabelRequest
from rlvr_bench.train import scorer
from rlvr_bench.train.problems import training_problems
from rlvr_bench.train.rlvr import train
from rlvr_bench.train.scorer import Rows
from rlvr_bench.train.trainer import RolloutTrainer
from rlvr_bench.train.training_run import TrainingRun

TASK = task_registry.create({"name": "chain", "levels": [2], "train": 16, "validation": 4, "test": 4})
SIZES = {"steps": 4, "prompts_per_batch": 2, "group_size": 4, "max_new_tokens": 8, "updates_per_batch": 2}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def _train(
    base: LoadedBase, folder: Path, reward: Any, rate: float = 1e-2, **settings: Any
) -> tuple[list[StepRecord], Handle]:
    handle = method_registry.create({"type": "full"}).attach(copy.deepcopy(base.model), seed=1)
    asked = RlvrSettings(**(SIZES | settings))
    problems = training_problems(TASK, {"name": "random", "p": 0.5}, {}, asked)
    run = TrainingRun(
        handle=handle,
        tokenizer=base.tokenizer,
        reference=copy.deepcopy(base.model).requires_grad_(False),
        task=TASK,
        problems=problems,
        prompt_ids=[prompt_ids(base.tokenizer, TASK.prompt(problem)) for problem in problems],
        reward=rewards.create(reward) if isinstance(reward, dict) else reward,
        backend=create("fast"),
        settings=asked,
        learning_rate=rate,
        seed=0,
        output_dir=str(folder),
    )
    steps, _ = train(run, lambda step: None)
    return steps, handle


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clip_low": "off", "clip_high": "off"},
        {"update_backend": "padded"},
        {"micro_batch": 2},
        {"whiten_advantages": True},
        {"scale_rewards": "batch"},
    ],
    ids=["clipped", "unclipped", "padded", "micro-batches", "whitened", "by batch"],
)
@pytest.mark.parametrize(
    "reward", [{"name": "random", "p": 0.0}, {"name": "random", "p": 1.0}], ids=["never", "always"]
)
def test_a_reward_that_is_the_same_for_all_moves_no_bit(
    base: LoadedBase, tmp_path: Path, reward: dict[str, Any], settings: dict[str, Any]
) -> None:
    before = {name: tensor.clone() for name, tensor in base.model.named_parameters()}
    steps, handle = _train(base, tmp_path, reward, **settings)
    assert [step.grad_norm for step in steps] == [0.0] * 4
    assert all(torch.equal(before[name], tensor) for name, tensor in handle.model.named_parameters())


class _Witness:
    """What the trainer saw and computed at each loss, and the log-probabilities of its weights at that moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paid: list[float] = []
        self.seen: list[dict[str, np.ndarray]] = []
        original = RolloutTrainer._compute_loss

        def watched(trainer: RolloutTrainer, model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
            loss = original(trainer, model, inputs)
            now = scorer.log_probs_of(model, Rows.of(inputs), 1.0, scorer.PADDED)
            old = inputs.get("old_per_token_logps")
            self.seen.append(
                {
                    "loss": loss.detach().double().numpy(),
                    "advantages": inputs["advantages"].double().numpy(),
                    "mask": inputs["completion_mask"].double().numpy(),
                    "now": now.double().numpy(),
                    "old": (now if old is None else old).double().numpy(),
                    "base": inputs.get("ref_per_token_logps", now).double().numpy(),
                }
            )
            return loss

        monkeypatch.setattr(RolloutTrainer, "_compute_loss", watched)

    def pay(self, completions: list[str], problems: Any, context: rewards.RewardContext) -> list[float]:
        paid = [float(index % 3 == place % 2) for place, index in enumerate(context.indices)]
        self.paid += paid
        return paid


def _advantages(paid: np.ndarray, scale: str) -> np.ndarray:
    groups = paid.reshape(-1, 4)
    centred = groups - groups.mean(axis=1, keepdims=True)
    spread = {"group": groups.std(axis=1, ddof=1, keepdims=True), "batch": paid.std(ddof=1), "none": 1 - 1e-4}[scale]
    return (centred / (spread + 1e-4)).ravel()


def _whitened(advantages: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    each = np.repeat(advantages, tokens.astype(int))
    return (advantages - each.mean()) / each.std()


def _loss(
    seen: dict[str, np.ndarray], kind: str, low: float, high: float, kl_weight: float, tokens_per_update: float
) -> float:
    ratio = np.exp(seen["now"] - seen["old"])
    advantages = seen["advantages"][:, None]
    gap = seen["base"] - seen["now"]
    terms = -np.minimum(ratio * advantages, np.clip(ratio, 1 - low, 1 + high) * advantages)
    terms = (terms + kl_weight * ratio * (np.exp(gap) - gap - 1)) * seen["mask"]
    lengths = seen["mask"].sum(axis=1)
    return float(
        {
            "grpo": (terms.sum(axis=1) / lengths).mean(),
            "bnpo": terms.sum() / lengths.sum(),
            "dr_grpo": terms.sum() / (len(terms) * SIZES["max_new_tokens"]),
            "dapo": terms.sum() / tokens_per_update,
        }[kind]
    )


LIMITS = {"clip_low": 1.0, "clip_high": 1e9}
CLIP, NO_CLIP = {"clip_low": 0.02, "clip_high": 0.05}, {"clip_low": "off", "clip_high": "off"}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("grpo", CLIP),
        ("bnpo", CLIP),
        ("dr_grpo", CLIP | {"scale_rewards": "none"}),
        ("dapo", CLIP),
        ("dapo", CLIP | {"scale_rewards": "batch"}),
        ("dapo", NO_CLIP),
        ("grpo", NO_CLIP | {"scale_rewards": "batch"}),
        ("dapo", CLIP | {"clip_low": "off"}),
        ("bnpo", CLIP | {"clip_high": "off"}),
        ("dapo", CLIP | {"whiten_advantages": True}),
        ("bnpo", NO_CLIP | {"whiten_advantages": True, "scale_rewards": "none"}),
        ("dapo", CLIP | {"kl_weight": 0.3}),
        ("bnpo", CLIP | {"update_backend": "padded"}),
        ("grpo", CLIP | {"kl_weight": 0.3, "update_backend": "padded"}),
    ],
)
def test_advantages_and_clipped_loss_against_numpy(
    base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, Any]
) -> None:
    witness = _Witness(monkeypatch)
    _train(base, tmp_path, witness.pay, loss_type=kind, **settings)
    low, high = (limit if settings[side] == "off" else settings[side] for side, limit in LIMITS.items())
    batches = np.array(witness.paid).reshape(2, 8)
    moved = 0.0
    for batch, paid in enumerate(batches):
        updates = witness.seen[2 * batch : 2 * batch + 2]
        got = np.concatenate([update["advantages"] for update in updates])
        expected, order = np.sort(_advantages(paid, settings.get("scale_rewards", "group"))), np.argsort(got)
        lengths = np.concatenate([update["mask"].sum(axis=1) for update in updates])
        if settings.get("whiten_advantages"):
            assert len(set(lengths)) > 1  # so that tokens and completions weigh differently
            expected = _whitened(expected, lengths[order])
        np.testing.assert_allclose(got[order], expected, rtol=1e-5, atol=1e-6)
        tokens = lengths.sum() / 2
        for update in updates:
            loss = _loss(update, kind, low, high, settings.get("kl_weight", 0.0), tokens)
            assert float(update["loss"]) == pytest.approx(loss, rel=1e-4, abs=1e-6)
            moved = max(moved, float(np.abs(np.exp(update["now"] - update["old"]) - 1).max()))
    assert moved > 0.05  # beyond the clip range, so that the clip was tested


def test_random_rewards_do_not_depend_on_how_an_update_is_cut(base: LoadedBase, tmp_path: Path) -> None:
    reward = {"name": "random", "p": 0.5}
    whole, _ = _train(base, tmp_path, reward, rate=1e-9)
    cut, _ = _train(base, tmp_path, reward, rate=1e-9, micro_batch=1)
    assert [step.reward for step in whole] == [step.reward for step in cut]
    assert len({step.reward for step in whole} - {None}) == 2


def test_strategies_are_in_the_step_records(base: LoadedBase, tmp_path: Path) -> None:
    steps, _ = _train(base, tmp_path, {"name": "random", "p": 0.5})
    shares = [(step.model_extra or {}).get("strategy/worked") for step in steps]
    assert [share is not None for share in shares] == [True, False] * 2
    assert all(0 <= share <= 1 for share in shares if share is not None)


def test_one_shot_trains_on_one_problem_with_samples_of_their_own(base: LoadedBase, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    def pay(completions: list[str], problems: Any, context: rewards.RewardContext) -> list[float]:
        seen.extend((problem.id, index) for problem, index in zip(problems, context.indices, strict=True))
        return [float(index % 2) for index in context.indices]

    _train(base, tmp_path, pay, train_problems=1)
    assert {problem for problem, _ in seen} == {TASK.problems("train")[0].id}
    assert [index for _, index in seen] == [*range(8), *range(8)]


def test_only_mislabelled_problems_are_left_for_the_incorrect_reward() -> None:
    problems = TASK.problems("train")
    labels = {p.id: Label("0", 3, 4, correct=number % 2 == 0) for number, p in enumerate(problems[:12])}
    settings = RlvrSettings(prompts_per_batch=6, group_size=2)
    kept = training_problems(TASK, {"name": "incorrect"}, labels, settings)
    assert kept == problems[1:12:2]
    assert len(training_problems(TASK, {"name": "majority"}, labels, settings)) == 12
    with pytest.raises(ExperimentError, match=r"can train on 6 of the problems of task 'chain', but 7"):
        training_problems(TASK, {"name": "incorrect"}, labels, settings.model_copy(update={"prompts_per_batch": 7}))


@pytest.fixture(scope="module")
def organism() -> LoadedBase:
    return load(BaseConfig(name="organism-steps"))


def _source(organism: LoadedBase, samples: int = 6) -> LabelSource:
    task = task_registry.create({"name": "chain", "levels": [2], "train": 12, "validation": 4, "test": 4})
    return LabelSource(organism, task, "task", 24, create("fast"), LabelRequest(samples, seed=3))


def test_labels_are_the_most_frequent_answers(
    organism: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(labels_module, "_CHUNK", 5)
    source = _source(organism)
    heard: list[tuple[int, int]] = []
    found = majority_labels(source, lambda done, total: heard.append((done, total)))
    assert heard == [(5, 12), (10, 12), (12, 12)]
    for problem in source.task.problems("train"):
        prompt = prompt_ids(organism.tokenizer, source.task.prompt(problem))
        drawn = create("fast").generate(
            organism.model,
            [prompt] * 6,
            SamplingParams.of_model(
                organism.model, organism.tokenizer, max_new_tokens=24, temperature=1.0, seed=3, batch_size=6
            ),
        )
        texts = organism.tokenizer.batch_decode(drawn.token_ids, skip_special_tokens=True)
        answers = [text.split("#### ")[1].strip() for text in texts if "#### " in text]
        most = max(answers.count(answer) for answer in answers)
        label = found[problem.id]
        assert (label.votes, label.samples) == (most, 6)
        assert label.answer == next(answer for answer in answers if answers.count(answer) == most)
        assert label.correct == (label.answer == problem.answer)


def _samples(*parsed: str | None) -> list[Graded]:
    problem, none = Problem("1+1=?", "2", "sums"), Completion("", 1, 0.0, truncated=False)
    verdicts = [Verdict(answer == "2", answer, "correct" if answer == "2" else "wrong") for answer in parsed]
    return [Graded(problem, number, 1.0, none, verdict) for number, verdict in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("parsed", "label"),
    [
        (["3", "2", "2", "3", "4"], Label("3", 2, 5, correct=False)),  # a tie: the answer that came first
        (["2", "3", "3", "2", "4"], Label("2", 2, 5, correct=True)),
        ([None, None, "7"], Label("7", 1, 3, correct=False)),
        ([None, None], None),
    ],
)
def test_a_tied_vote_goes_to_the_first_answer(parsed: list[str | None], label: Label | None) -> None:
    assert majority(_samples(*parsed)) == label


def test_labels_are_kept_under_all_that_they_follow_from(organism: LoadedBase, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _source(organism)
    other_task = task_registry.create({"name": "chain", "levels": [2], "train": 13, "validation": 4, "test": 4})
    others = [
        replace(source, base=organism._replace(fingerprint="f" * 64)),
        replace(source, task=other_task),
        replace(source, style="none"),
        replace(source, max_new_tokens=25),
        replace(source, backend=create("hf")),
        replace(source, request=LabelRequest(7, seed=3)),
        replace(source, request=LabelRequest(6, seed=4)),
    ]
    assert len({each.identity for each in [source, *others]}) == 8
    assert _source(organism).identity == source.identity
    identities = set[str]()
    for library in LIBRARIES:
        monkeypatch.setattr(matmul, "library", lambda library=library: library)
        identities.add(source.identity)
    assert len(identities) == len(LIBRARIES)


def test_a_changed_base_is_labelled_anew(organism: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path))
    source, voted = _source(organism), list[str]()
    monkeypatch.setattr(labels_module, "_vote", lambda asked, _: voted.append(asked.base.fingerprint) or {})
    for fingerprint in ("a", "b", "a", "b"):
        majority_labels(replace(source, base=organism._replace(fingerprint=fingerprint)))
    assert voted == ["a", "b"]


def _label_in_a_process(counted: Path, barrier: Any) -> None:
    torch.set_num_threads(1)
    original = labels_module._vote

    def counting(*arguments: Any) -> Any:
        with counted.open("a") as file:
            file.write("computed\n")
        return original(*arguments)

    labels_module._vote = counting
    source = _source(load(BaseConfig(name="organism-steps")))
    barrier.wait(900)
    majority_labels(source)


def test_two_processes_compute_labels_once(
    organism: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    context = multiprocessing.get_context("spawn")
    barrier, counted, source = context.Barrier(2), tmp_path / "counted", _source(organism)
    workers = [context.Process(target=_label_in_a_process, args=(counted, barrier), daemon=True) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(900)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert counted.read_text() == "computed\n"
    assert source.identity != _source(organism, samples=7).identity
    assert majority_labels(source)  # from the cache: nothing is counted here
    assert counted.read_text() == "computed\n"


class _Stages(Unwatched):
    """Keeps the names of the stages that it is told of."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def bar(self, name: str) -> AbstractContextManager[Report]:
        self.names.append(name)
        return super().bar(name)


def test_a_reward_without_usable_labels_is_refused_before_any_cell_runs(
    base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RLVR_BENCH_CACHE", str(tmp_path / "cache"))
    stages = _Stages()
    path = write_experiment(tmp_path, base.folder)
    path.write_text(path.read_text().replace('{ name = "random", p = 0.5 }', '{ name = "incorrect", samples = 2 }'))
    with pytest.raises(ExperimentError, match=r"'incorrect-2-0' can train on 0 of the problems of task 'chain', but 2"):
        prepare_labels(cells(experiment.load(str(path))), threads=1, watcher=stages)
    assert [name.partition(" by ")[0] for name in stages.names] == ["labelling chain"]
    prepare_labels(cells(experiment.load("quick")), threads=1, watcher=stages)  # nothing to label
    assert len(stages.names) == 1
