"""The learning signals on a tiny random model: what each learns from, what it uses, and when it stops."""

import copy
import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from signal_runs import METHODS, PROBLEMS, TASK, TINY, Lenient, Start
from torch.nn import functional

from rlvr_bench.experiment.settings import EvaluateSettings
from rlvr_bench.experiment.signals import SftSettings
from rlvr_bench.generate.backend import create
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.attestation import begin, finish, observe
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import rewards, solutions
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.train import preferences
from rlvr_bench.train.divergence import divergence
from rlvr_bench.train.drawing import draw
from rlvr_bench.train.preferences import Preference, collect, mislabelled
from rlvr_bench.train.reward_model import LearnedReward, with_scalar_output
from rlvr_bench.train.rft import verified
from rlvr_bench.train.signals import SIGNALS
from rlvr_bench.train.supervised import SolutionTrainer, example
from rlvr_bench.train.training_run import TrainingRun


def _train(run: TrainingRun[Any]) -> list[StepRecord]:
    return SIGNALS[run.settings.type](run, lambda step: None)[0]


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("kind", sorted(TINY))
def test_every_signal_trains_every_family_of_methods_and_is_attested(
    kind: str, method: str, base: LoadedBase, start: Start
) -> None:
    run = start(kind, method)
    chosen = method_registry.create(METHODS[method])
    model = copy.deepcopy(base.model)
    observed = observe(model, chosen)
    attached = chosen.attach(model, 1, None)
    run = TrainingRun(**{name: getattr(run, name) for name in TrainingRun.__slots__} | {"handle": attached})
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


def test_rft_learns_different_verified_completions_only(start: Start) -> None:
    run = start("rft", group_size=4, keep_per_problem=2)
    places = [3, 1]
    drawn = draw(run, places, 4, seed=5)
    texts = ["ab", "ab", "abc", "abcd", "abcdef", "a", "", "xy"]
    verdicts = [run.task.verify(text, problem) for text, problem in zip(texts, drawn.problems, strict=True)]
    truncated = [False] * 7 + [True]
    kept = verified(run, places, replace(drawn, texts=texts, verdicts=verdicts, truncated=truncated))
    eos = run.tokenizer.eos_token_id
    assert [run.tokenizer.decode(each.completion[:-1]) for each in kept] == ["ab", "abcd", "abcdef", ""]
    assert all(each.completion[-1] == eos for each in kept)
    assert [each.prompt for each in kept] == [run.prompt_ids[place] for place in (3, 3, 1, 1)]


def test_rft_without_a_right_sample_makes_no_step(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lenient, "verify", lambda *_: Verdict(False, None, "unparsed"))
    run = start("rft")
    steps, trainer = SIGNALS["rft"](run, lambda step: None)
    assert steps == [] and run.meter.verdicts == 2 * 16 * 8
    assert not run.meter.ledger(run.settings).used_up
    assert trainer.optimizer is not None


def test_the_parts_of_sft_rlvr_share_the_budget(start: Start) -> None:
    steps = _train(start("sft+rlvr", steps=6, sft_share=0.34))
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [step.reward is None for step in steps] == [True, True, False, False, False, False]


def test_the_reward_model_learns_planted_preferences(start: Start) -> None:
    run = start("rlhf", reward_model_steps=60, reward_model_batch=32, reward_model_rate=1e-2)
    rng = random.Random(0)

    def planted(count: int) -> list[Preference]:
        texts = [["".join(rng.choices("012345689 ", k=6)) for _ in range(2)] for _ in range(count)]
        return [Preference(rng.randrange(32), f"{one[:3]}7{one[3:]}", other) for one, other in texts]

    learned = LearnedReward(run, with_scalar_output(run.reference, run.tokenizer.pad_token_id))
    held_out = planted(100)
    assert learned.agreement(held_out) == 0.0  # all scores are 0 at the start, and ties are no agreement
    learned.train(planted(256))
    assert learned.agreement(held_out) > 0.95
    wrong = LearnedReward(run, with_scalar_output(run.reference, run.tokenizer.pad_token_id))
    wrong.train(mislabelled(planted(256), 1.0, 0))
    assert wrong.agreement(held_out) < 0.05


def test_preferences_prefer_the_right_completion(start: Start) -> None:
    run = start("rlhf")
    pairs = collect(run, 40, seed=1)
    assert all(len(pair.chosen) % 2 == 0 and len(pair.rejected) % 2 == 1 for pair in pairs)
    noisy = mislabelled(pairs, 0.25, seed=2)
    assert sum(one != other for one, other in zip(pairs, noisy, strict=True)) == 10
    assert run.meter.generated_tokens > 0
    before = run.meter.generated_tokens
    collect(run, 4, seed=3, paid=False)
    assert run.meter.generated_tokens == before


def test_rlhf_pays_by_the_learned_reward_and_records_the_verifier(start: Start) -> None:
    run = start("rlhf")
    steps = _train(run)
    assert run.meter.reward_model is not None and run.meter.reward_model["pairs"] == 8
    assert run.meter.verdicts == 0 and run.meter.labels == 8
    assert all(
        step.reward not in (0.0, 1.0) and step.accuracy in (0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1)
        for step in steps
    )


def test_a_base_that_is_never_right_gives_no_preferences(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lenient, "verify", lambda *_: Verdict(False, None, "unparsed"))
    monkeypatch.setattr(preferences, "PATIENCE", 2)
    with pytest.raises(ValueError, match="gave 0 of 8 preference pairs"):
        _train(start("rlhf"))


def test_the_divergence_of_a_model_from_itself_is_none_and_grows(base: LoadedBase) -> None:
    settings = EvaluateSettings(max_new_tokens=8)
    moved = copy.deepcopy(base.model)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    backends = (create("fast"), create("fast"))
    same = divergence(base.model, base.model, backends, base.tokenizer, TASK, settings, 4)
    other = divergence(moved, base.model, backends, base.tokenizer, TASK, settings, 4)
    assert (same.reverse, same.forward) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-9))
    assert other.reverse > 1e-4 and other.forward > 1e-4


@pytest.mark.parametrize("kind", ["rlvr", "sft", "rft", "sft+rlvr"])
def test_equal_flops_are_equal_up_to_one_step(kind: str, start: Start) -> None:
    run = start(kind, steps=60, match="flops", budget=1.2e8)
    steps = _train(run)
    assert run.meter.ledger(run.settings).used_up and len(steps) < 60
    flops = [step.flops or 0.0 for step in steps]
    assert flops[-1] >= 1.2e8 > flops[-2]


def test_rlvr_buys_a_verdict_per_completion_and_a_control_reward_none(start: Start) -> None:
    run = start("rlvr", match="labels", budget=16, steps=9)
    steps = _train(run)
    assert (run.meter.verdicts, len(steps), steps[-1].labels) == (16, 2, 16)
    counted = [round(8 * (step.completions_mean_length or 0)) for step in steps]
    assert [step.tokens for step in steps] == [counted[0], sum(counted)]
    control = replace(start("rlvr"), reward=rewards.create("random"))
    _train(control)
    assert control.meter.labels == 0
