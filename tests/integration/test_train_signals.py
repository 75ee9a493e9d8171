"""The learning signals on a tiny random model: what each learns from, what it uses, and when it stops."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from launch_fixture import save_tiny_base
from torch.nn import functional

import methods.registry
import tasks.registry
from bench.experiment.experiment import Experiment
from bench.experiment.signals import SftSettings, Signal
from bench.generate.backend import create
from bench.generate.prompt_ids import prompt_ids
from bench.models.base import LoadedBase, load
from bench.models.config import BaseConfig
from bench.record.schema import StepRecord
from bench.train.run import Run
from bench.train.signals import SIGNALS
from bench.train.supervised import SolutionTrainer, example
from methods.attestation import begin, finish, observe
from tasks import rewards, solutions

TASK = tasks.registry.create({"name": "chain", "levels": [2], "train": 32, "validation": 4, "test": 4})
PROBLEMS = TASK.problems("train")
METHODS = {
    "full": {"type": "full"},
    "lora": {"type": "lora", "rank": 2},
    "mask": {"type": "mask", "select": "random", "density": 0.1},
}
SMALL = {"steps": 4, "max_new_tokens": 8}
GRPO = SMALL | {"prompts_per_batch": 2, "group_size": 4}
TINY: dict[str, dict[str, Any]] = {
    "rlvr": GRPO,
    "sft": SMALL | {"batch_size": 8, "shadow_size": 8, "shadow_every": 2},
}
Start = Callable[..., Run[Any]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def settings_of(kind: str, **keys: Any) -> Signal:
    document = {"name": "x", "bases": ["organism-steps"], "task": {"name": "chain"}, "methods": {"full": {}}}
    return Experiment.model_validate(document | {"signal": {"type": kind} | TINY[kind] | keys}).signal


@pytest.fixture
def start(base: LoadedBase, tmp_path: Path) -> Start:
    def run(kind: str, method: str = "full", rate: float = 1e-3, **keys: Any) -> Run[Any]:
        handle = methods.registry.create(METHODS[method]).attach(copy.deepcopy(base.model), seed=1)
        return Run(
            handle=handle,
            tokenizer=base.tokenizer,
            reference=copy.deepcopy(base.model).requires_grad_(False),
            task=TASK,
            problems=PROBLEMS,
            prompt_ids=[prompt_ids(base.tokenizer, TASK.prompt(problem)) for problem in PROBLEMS],
            reward=rewards.create("exact"),
            backend=create("fast"),
            settings=settings_of(kind, **keys),
            learning_rate=rate,
            seed=0,
            output_dir=str(tmp_path),
        )

    return run


def _train(run: Run[Any]) -> list[StepRecord]:
    return SIGNALS[run.settings.type](run, lambda step: None)[0]


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("kind", sorted(TINY))
def test_every_signal_trains_every_family_of_methods_and_is_attested(
    kind: str, method: str, base: LoadedBase, start: Start
) -> None:
    run = start(kind, method)
    chosen = methods.registry.create(METHODS[method])
    model = copy.deepcopy(base.model)
    observed = observe(model, chosen)
    attached = chosen.attach(model, 1, None)
    run = Run(**{name: getattr(run, name) for name in Run.__slots__} | {"handle": attached})
    attested = begin(chosen, attached, observed)
    steps, trainer = SIGNALS[kind](run, lambda step: None)
    assert finish(attested, attached, trainer.optimizer).problems == []
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    assert run.meter.steps == len(steps) == 4
    assert steps[-1].flops == run.meter.flops > 0
    assert steps[-1].kl is not None and steps[-1].accuracy is not None


def test_the_sft_loss_is_that_of_plain_torch(base: LoadedBase, start: Start) -> None:
    run = start("sft", steps=1, batch_size=32, shadow_size=1)
    steps = _train(run)
    examples = [example(run, place, solutions.gold(TASK, problem)) for place, problem in enumerate(PROBLEMS)]
    losses = []
    for each in examples:
        ids = torch.tensor([each.prompt + each.completion])
        log_probs = torch.log_softmax(base.model(input_ids=ids).logits[0].double(), dim=-1)
        targets = torch.tensor(each.completion)
        losses += functional.nll_loss(log_probs[len(each.prompt) - 1 : -1], targets, reduction="none").tolist()
    assert steps[0].loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_an_sft_step_is_that_of_plain_adamw(base: LoadedBase, start: Start) -> None:
    run = start("sft", steps=1, batch_size=32, shadow_size=1, max_grad_norm=1e9)
    _train(run)
    model = copy.deepcopy(base.model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0)
    total, count = torch.zeros(()), 0
    for place, problem in enumerate(PROBLEMS):
        each = example(run, place, solutions.gold(TASK, problem))
        ids = torch.tensor([each.prompt + each.completion])
        logits = model(input_ids=ids).logits[0, len(each.prompt) - 1 : -1]
        total = total + functional.cross_entropy(logits, torch.tensor(each.completion), reduction="sum")
        count += len(each.completion)
    (total / count).backward()
    optimizer.step()
    expected = dict(model.named_parameters())
    for name, tensor in run.handle.effective_weights():
        # AdamW's first step is a sign: where a gradient is rounding noise, so is its sign.
        close = torch.isclose(tensor, expected[name], rtol=1e-4, atol=1e-6)
        assert close.float().mean() > 0.99, name


def test_training_leaves_no_patch_on_the_model(start: Start) -> None:
    run = start("sft")
    _train(run)
    assert "forward" not in run.handle.model.__dict__


def test_the_solutions_are_learned(start: Start) -> None:
    steps = _train(start("sft", rate=1e-2, steps=40, batch_size=32))
    assert steps[-1].loss is not None and steps[0].loss is not None
    assert steps[-1].loss < 0.6 * steps[0].loss


def test_sft_meets_the_same_examples_whatever_the_method(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, list[list[int]]] = {}
    original = SolutionTrainer.compute_loss

    for method in ("full", "lora"):

        def watched(self: SolutionTrainer, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            seen.setdefault(method, []).append(inputs["input_ids"].tolist())  # noqa: B023
            return original(self, model, inputs, *args, **kwargs)

        monkeypatch.setattr(SolutionTrainer, "compute_loss", watched)
        _train(start("sft", method))
    assert seen["full"] == seen["lora"]
    assert len(seen["full"]) == 4


def test_sft_stops_at_the_asked_update_norm(start: Start) -> None:
    run = start("sft", rate=1e-2, steps=50, match="update_norm", budget=0.05)
    steps = _train(run)
    norms = [(step.model_extra or {})["relative_norm"] for step in steps]
    assert len(steps) < 50
    assert all(norm < 0.05 for norm in norms[:-1]) and norms[-1] >= 0.05
    reference = dict(run.reference.named_parameters())
    moved = base_square = 0.0
    for name, tensor in run.handle.effective_weights():
        moved += float((tensor.double() - reference[name].double()).square().sum())
        base_square += float(reference[name].double().square().sum())
    assert norms[-1] == pytest.approx((moved / base_square) ** 0.5, rel=1e-6)
    assert run.meter.ledger(run.settings).used_up


def test_a_label_budget_limits_the_solutions(start: Start) -> None:
    run = start("sft", match="labels", budget=8)
    _train(run)
    ledger = run.meter.ledger(run.settings)
    assert (ledger.solutions, ledger.labels, ledger.used_up) == (8, 8, True)


def test_a_completion_that_does_not_fit_ends_the_run(start: Start) -> None:
    with pytest.raises(ValueError, match="the model's context is 64"):
        example(start("sft"), 0, "1" * 80)


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ValueError, match="needs a budget"):
        SftSettings(match="flops")
    with pytest.raises(ValueError, match="without match"):
        SftSettings(budget=3)
    with pytest.raises(ValueError, match="does not divide batch_size = 64"):
        SftSettings(micro_batch=7)
