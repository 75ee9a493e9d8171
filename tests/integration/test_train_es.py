"""The `es` signal on a tiny random model: what it perturbs, puts back, pays for and refuses."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from signal_runs import METHODS, Lenient, Start, settings_of

from rlvr_bench.methods.masks.linear import masked_layers
from rlvr_bench.models.base import LoadedBase
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.tasks import rewards
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.train import es
from rlvr_bench.train.perturbation import estimate, shaped
from rlvr_bench.train.seeds import derive
from rlvr_bench.train.training_run import TrainingRun


def _train(run: TrainingRun[Any]) -> list[StepRecord]:
    return es.train(run, lambda step: None)[0]


def _tensors(run: TrainingRun[Any]) -> list[torch.Tensor]:
    return [tensor.detach().clone() for _, tensor in run.handle.trainable()]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_a_scored_population_leaves_every_tensor_as_it_was(method: str, start: Start) -> None:
    run = start("es", method)
    before = _tensors(run)
    es.Population(run).evaluate(0)
    assert all(torch.equal(one, other) for one, other in zip(before, _tensors(run), strict=True))


def test_a_step_moves_by_rate_times_the_estimate(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    paid: list[float] = []
    pay = es.pay

    def watched(*arguments: Any) -> list[float]:
        paid.append(sum(made := pay(*arguments)) / len(made))
        return made

    monkeypatch.setattr(es, "pay", watched)
    run = start("es", steps=1, rate=0.02, population=6)
    before = _tensors(run)
    steps = _train(run)
    first = derive(0, "perturbation")
    rises = estimate(before, range(first, first + 3), shaped(paid, "z-scores"))
    for old, new, rise in zip(before, _tensors(run), rises, strict=True):
        torch.testing.assert_close(new, old + 0.02 * rise, rtol=1e-5, atol=1e-7)
    norm = torch.nn.utils.get_total_norm(rises)
    assert steps[0].grad_norm == pytest.approx(float(norm), rel=1e-5)
    assert steps[0].update_norm == pytest.approx(0.02 * float(norm), rel=1e-4)
    assert steps[0].reward == pytest.approx(sum(paid) / 6)


def test_only_masked_entries_move(base: LoadedBase, start: Start) -> None:
    run = replace(start("es", "mask", rate=0.1), reward=rewards.create("random"))
    _train(run)
    reference = dict(base.model.named_parameters())
    masked = {f"{path}.weight": layer.index.long() for path, layer in masked_layers(run.handle.model)}
    for name, after in run.handle.effective_weights():
        moved = (after != reference[name]).flatten()
        if name in masked:
            assert moved[masked[name]].float().mean() > 0.9
            moved[masked[name]] = False
        assert not moved.any(), name


def test_the_populations_rollouts_are_paid_and_nothing_goes_backward(start: Start) -> None:
    run = start("es", steps=3)
    steps = _train(run)
    ledger = run.meter.ledger(run.settings)
    assert (ledger.verdicts, ledger.backward_flops, ledger.learned_tokens) == (3 * 4 * 8, 0, 0)
    assert ledger.generated_tokens > 0 and ledger.used_up
    assert [step.labels for step in steps] == [32, 64, 96]
    assert [step.kl is not None for step in steps] == [True, False, True]
    control = replace(start("es"), reward=rewards.create("random"))
    _train(control)
    assert control.meter.labels == 0 and control.meter.generated_tokens > 0


def test_a_random_reward_pays_the_members_of_a_step_differently(start: Start) -> None:
    run = replace(start("es", steps=2, prompts_per_batch=2), reward=rewards.create("random"))
    steps = _train(run)
    assert all((step.reward_std or 0) > 0 for step in steps) and steps[0].reward != steps[1].reward


def test_equal_rewards_move_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lenient, "verify", lambda *_: Verdict(False, None, "wrong"))
    run = start("es")
    before = _tensors(run)
    steps = _train(run)
    assert all(torch.equal(one, other) for one, other in zip(before, _tensors(run), strict=True))
    assert {(step.update_norm, step.frac_reward_zero_std, step.reward_std) for step in steps} == {(0.0, 1.0, 0.0)}


def test_two_runs_of_one_seed_are_the_same_and_of_two_seeds_are_not(start: Start) -> None:
    one, same, other = start("es"), start("es"), replace(start("es"), seed=1)
    for run in (one, same, other):
        _train(run)
    assert all(torch.equal(x, y) for x, y in zip(_tensors(one), _tensors(same), strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(_tensors(one), _tensors(other), strict=True))


def test_a_budget_of_flops_ends_the_run(start: Start) -> None:
    run = start("es", steps=50, match="flops", budget=4e7)
    steps = _train(run)
    assert len(steps) < 50 and run.meter.ledger(run.settings).used_up


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"population": 5}, "population = 5 leaves a model without its mirror; make it even"),
        ({"max_grad_norm": 2.0}, "es has no gradients and no trainer of TRL's, which max_grad_norm is for"),
        ({"micro_batch": 4}, "which micro_batch is for; leave it out"),
        ({"sigma": 0}, "greater than 0"),
        ({"shaping": "raw"}, "'z-scores' or 'ranks'"),
    ],
)
def test_settings_without_a_meaning_are_refused(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        settings_of("es", **keys)
