"""GRPO on a tiny random model: what a step does, against what it must do."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from launch_fixture import save_tiny_base
from peft import AdaLoraModel
from torch import nn

from rlvr_bench.experiment.settings import RlvrSettings
from rlvr_bench.generate.backend import create
from rlvr_bench.generate.prompt_ids import prompt_ids
from rlvr_bench.measure.intervention import Intervention
from rlvr_bench.methods import registry as method_registry
from rlvr_bench.methods.base.handle import Handle
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.record.schema import StepRecord
from rlvr_bench.studies.gates.adapter_interventions import DroppedInputs, MergedInPlace
from rlvr_bench.studies.gates.interventions import AdapterDropout, MergeInPlace
from rlvr_bench.tasks import registry as task_registry
from rlvr_bench.tasks import rewards
from rlvr_bench.train.collapse import collapse
from rlvr_bench.train.log_probs import completion_log_probs, k3
from rlvr_bench.train.rlvr import train
from rlvr_bench.train.trainer import RolloutTrainer
from rlvr_bench.train.training_run import TrainingRun

TASK = task_registry.create({"name": "chain", "levels": [2], "train": 16, "validation": 4, "test": 4})
FULL = {"type": "full"}
LORA = {"type": "lora", "rank": 2}
PISSA = {"type": "pissa", "rank": 2}
MASK = {"type": "mask", "select": "random", "density": 0.1}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def _train(
    base: LoadedBase,
    folder: Path,
    method: dict[str, Any],
    reward: Any = "random",
    rate: float = 1e-2,
    interventions: Sequence[Intervention[Any]] = (),
    **settings: Any,
) -> tuple[list[StepRecord], RolloutTrainer, Handle]:
    model = copy.deepcopy(base.model)
    handle = method_registry.create(method).attach(model, seed=1)
    problems = TASK.problems("train")
    defaults = {"steps": 3, "prompts_per_batch": 2, "group_size": 4, "max_new_tokens": 8}
    run = TrainingRun(
        handle=handle,
        tokenizer=base.tokenizer,
        reference=copy.deepcopy(base.model).requires_grad_(False),
        task=TASK,
        problems=problems,
        prompt_ids=[prompt_ids(base.tokenizer, TASK.prompt(problem)) for problem in problems],
        reward=rewards.create(reward),
        backend=create("fast"),
        settings=RlvrSettings(**(defaults | settings)),
        learning_rate=rate,
        seed=0,
        output_dir=str(folder),
        interventions=interventions,
    )
    steps, trainer = train(run, lambda step: None)
    return steps, trainer, handle


def _weights(handle: Handle) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in handle.effective_weights()}


@pytest.mark.parametrize("method", [FULL, LORA, PISSA, MASK], ids=lambda method: method["type"])
def test_a_reward_without_variance_leaves_the_weights_bit_for_bit(
    base: LoadedBase, tmp_path: Path, method: dict[str, Any]
) -> None:
    start = _weights(method_registry.create(method).attach(copy.deepcopy(base.model), seed=1))
    steps, _, handle = _train(base, tmp_path, method, reward={"name": "random", "p": 0.0})
    assert [step.frac_reward_zero_std for step in steps] == [1.0] * 3
    assert all(torch.equal(start[name], tensor) for name, tensor in handle.effective_weights())


@pytest.mark.parametrize("method", [FULL, LORA, PISSA, MASK], ids=lambda method: method["type"])
def test_the_kl_starts_at_zero_and_is_to_the_true_base(
    base: LoadedBase, tmp_path: Path, method: dict[str, Any]
) -> None:
    # TRL takes a PiSSA model with its adapter off for the reference: over 10 nats from the base.
    recorded, _, _ = _train(base, tmp_path, method)
    penalised, _, _ = _train(base, tmp_path, method, kl_weight=0.1)
    for steps in (recorded, penalised):
        assert steps[0].kl == pytest.approx(0.0, abs=1e-6)
        assert steps[-1].kl is not None and 1e-6 < steps[-1].kl < 1.0


def test_k1_takes_the_kl_off_the_reward_and_leaves_the_loss_alone(base: LoadedBase, tmp_path: Path) -> None:
    k1 = {"kl_estimator": "k1", "kl_weight": 2.0}
    free, _, _ = _train(base, tmp_path, FULL)
    steps, trainer, _ = _train(base, tmp_path, FULL, **k1)
    assert trainer.beta == 0.0
    penalties = [(step.model_extra or {})["kl_penalty"] for step in steps]
    assert penalties[0] == pytest.approx(0.0, abs=1e-5)  # the policy is the base: the first step knows no anchor
    assert steps[0].reward == pytest.approx(free[0].reward, abs=1e-5)
    assert steps[-1].reward != free[-1].reward
    unpaid, _, _ = _train(base, tmp_path, FULL, reward={"name": "random", "p": 0.0}, **k1)
    assert [step.reward for step in unpaid] == pytest.approx(
        [-(step.model_extra or {})["kl_penalty"] for step in unpaid], abs=1e-6
    )


def test_what_clipping_does_at_the_fork_is_recorded(base: LoadedBase, tmp_path: Path) -> None:
    settings = {"steps": 4, "updates_per_batch": 4, "group_size": 8, "rate": 3e-2, "clip_low": 0.01, "clip_high": 0.01}
    steps, _, _ = _train(base, tmp_path, FULL, **settings)
    extra = [step.model_extra or {} for step in steps]
    assert extra[0]["fork/log_odds_spread"] == pytest.approx(0.0, abs=1e-4)  # nothing has moved before the first update
    assert extra[-1]["fork/log_odds_spread"] > 0
    assert any(each["clip_ratio/fork_low"] + each["clip_ratio/fork_high"] > 0 for each in extra[1:])
    assert all(step.clip_ratio_low_mean is not None and step.clip_ratio_high_mean is not None for step in steps)
    off, _, _ = _train(base, tmp_path, FULL, **settings | {"clip_low": None, "clip_high": None})
    assert not any((step.model_extra or {})["fork/clip_drift_high"] for step in off)


def test_the_same_seed_gives_the_same_weights(base: LoadedBase, tmp_path: Path) -> None:
    once, twice = (_weights(_train(base, tmp_path, LORA)[2]) for _ in range(2))
    assert all(torch.equal(once[name], twice[name]) for name in once)


def test_methods_meet_the_same_prompts_and_first_samples(base: LoadedBase, tmp_path: Path) -> None:
    runs = [_train(base, tmp_path, method)[0] for method in (FULL, LORA, MASK)]
    assert len({(steps[0].tokens, steps[0].reward, steps[0].completions_mean_length) for steps in runs}) == 1


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("loss_type", ["grpo", "bnpo", "dr_grpo", "dapo"])
def test_micro_batches_do_not_change_the_update(base: LoadedBase, tmp_path: Path, loss_type: str, updates: int) -> None:
    settings = {"rate": 1e-4, "steps": 2, "loss_type": loss_type, "updates_per_batch": updates}
    whole = _weights(_train(base, tmp_path, FULL, **settings)[2])
    split = _weights(_train(base, tmp_path, FULL, **settings, micro_batch=2)[2])
    for name, tensor in whole.items():
        torch.testing.assert_close(tensor, split[name], rtol=1e-4, atol=2e-6)


def test_several_updates_share_a_rollout_batch(base: LoadedBase, tmp_path: Path) -> None:
    steps, trainer, _ = _train(base, tmp_path, FULL, steps=8, updates_per_batch=4)
    assert [step.reward is not None for step in steps] == [True, False, False, False] * 2
    assert steps[3].tokens == steps[0].tokens
    assert trainer.generated_tokens == steps[-1].tokens


def test_clipping_acts_on_later_updates_and_can_be_taken_away(base: LoadedBase, tmp_path: Path) -> None:
    settings = {"steps": 8, "updates_per_batch": 4, "rate": 0.1}
    clipped, _, _ = _train(base, tmp_path, FULL, clip_low=0.01, clip_high=0.01, **settings)
    free, _, _ = _train(base, tmp_path, FULL, clip_low=None, clip_high=None, **settings)
    assert clipped[0].clip_ratio_region_mean == 0.0
    assert max(step.clip_ratio_region_mean or 0.0 for step in clipped) > 0.0
    assert all(step.clip_ratio_region_mean == 0.0 for step in free)


def test_a_gradient_that_is_not_finite_stops_the_run_before_the_weights(
    base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = RolloutTrainer._compute_loss

    def poisoned(self: RolloutTrainer, model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return original(self, model, inputs) * (math.nan if self.state.global_step == 1 else 1.0)

    monkeypatch.setattr(RolloutTrainer, "_compute_loss", poisoned)
    steps, _, handle = _train(base, tmp_path, FULL, steps=5)
    assert len(steps) == 2 and steps[-1].non_finite == 1.0
    found = collapse(steps, 8)
    assert found is not None and (found.kind, found.step) == ("non-finite", 2)
    assert all(bool(torch.isfinite(tensor).all()) for _, tensor in handle.effective_weights())


def test_a_reward_that_is_not_a_number_ends_the_run(
    base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards, "create", lambda _: lambda completions, problems, context: [math.nan] * 8)
    with pytest.raises(ValueError, match="one finite number per completion"):
        _train(base, tmp_path, FULL)


class _Table(nn.Module):
    """Logits that depend on the last token only."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 5)

    def forward(self, input_ids: torch.Tensor, logits_to_keep: int, **_: Any) -> Any:
        logits = self.table(input_ids)[:, -logits_to_keep:]
        return type("Output", (), {"logits": logits})


def test_log_probabilities_and_k3_against_numpy() -> None:
    model = _Table()
    ids = torch.tensor([[0, 1, 2, 3], [4, 4, 1, 0]])
    ours = completion_log_probs(model, ids, torch.ones_like(ids), 2, temperature=0.7)
    logits = model.table.weight.detach().double().numpy()[ids[:, 1:3].numpy()] / 0.7
    expected = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = np.take_along_axis(expected, ids[:, 2:, None].numpy(), -1)[..., 0]
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-5)
    mask = torch.tensor([[1, 1], [1, 0]])
    gap = np.array([0.3, -0.2, 0.1])
    policy = torch.zeros(2, 2)
    reference = torch.tensor([[0.3, -0.2], [0.1, 9.0]])
    assert k3(policy, reference, mask) == pytest.approx(float((np.exp(gap) - gap - 1).mean()), rel=1e-6)


def _base_moved(handle: Handle, start: Handle) -> float:
    """The largest relative distance of a LoRA layer's base matrix from its start."""
    pairs = zip(handle.model.named_modules(), start.model.named_modules(), strict=True)
    norms = [
        float(
            (one.get_base_layer().weight - other.get_base_layer().weight).norm() / other.get_base_layer().weight.norm()
        )
        for (_, one), (_, other) in pairs
        if hasattr(one, "lora_A")
    ]
    return max(norms)


@pytest.mark.parametrize("method", [LORA, PISSA], ids=lambda method: method["type"])
def test_merging_in_place_leaves_a_rounding_error_in_the_base(
    base: LoadedBase, tmp_path: Path, method: dict[str, Any]
) -> None:
    def start() -> Handle:
        return method_registry.create(method).attach(copy.deepcopy(base.model), seed=1)

    drifted = _base_moved(_train(base, tmp_path, method, interventions=[MergedInPlace(MergeInPlace())])[2], start())
    assert 2**-11 < drifted < 2**-5  # of the size of bfloat16's rounding
    assert _base_moved(_train(base, tmp_path, method)[2], start()) == 0.0


def test_dropout_before_adapters_is_in_the_update_and_not_in_rollouts(base: LoadedBase, tmp_path: Path) -> None:
    plain, _, _ = _train(base, tmp_path, PISSA)
    dropped, _, handle = _train(base, tmp_path, PISSA, interventions=[DroppedInputs(AdapterDropout(share=0.5))])
    assert dropped[0].reward == plain[0].reward  # the same first samples
    off = "sampling/sampling_logp_difference/max"
    assert (plain[0].model_extra or {})[off] < 1e-3 < (dropped[0].model_extra or {})[off]
    token_ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad(), handle.rollout_weights() as merged:
        torch.testing.assert_close(
            merged(input_ids=token_ids).logits, handle.model.eval()(input_ids=token_ids).logits, rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("habit", [MergedInPlace(MergeInPlace()), DroppedInputs(AdapterDropout())])
def test_a_habit_of_adapters_is_refused_for_a_method_without(
    base: LoadedBase, tmp_path: Path, habit: Intervention[Any]
) -> None:
    with pytest.raises(ValueError, match="this method has none; leave it out"):
        _train(base, tmp_path, FULL, interventions=[habit])


def test_adalora_reallocates_its_ranks_while_grpo_trains(
    base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PEFT prunes only when asked after every step, which TRL never does; the budget is AdaLoRA's, equation 12."""
    matrices, target, first, steps, warm_up, final = 7, 2, 3, 16, 2, 4
    method = {"type": "adalora", "rank": target, "warm_up": warm_up / steps, "final": final / steps}
    calls: list[tuple[int, list[int]]] = []
    allocate = AdaLoraModel.update_and_allocate

    def watched(self: AdaLoraModel, global_step: int) -> None:
        allocate(self, global_step)
        entries = [tensor for name, tensor in self.named_parameters() if ".lora_E." in name]
        calls.append((global_step, [int(tensor.count_nonzero()) for tensor in entries]))

    monkeypatch.setattr(AdaLoraModel, "update_and_allocate", watched)
    records, trainer, handle = _train(base, tmp_path, method, steps=steps, prompts_per_batch=4)
    assert [step for step, _ in calls] == list(range(steps)) and len(records) == steps
    kept = np.array([ranks for _, ranks in calls])
    assert kept.shape == (steps, matrices)
    share = np.clip((np.arange(steps) - warm_up) / (steps - final - warm_up), 0, 1)
    budget = matrices * (target + (first - target) * (1 - share) ** 3)
    np.testing.assert_array_equal(kept.sum(axis=1), budget.astype(int))
    assert len(set(kept[-1].tolist())) > 1  # some matrices kept more than others
    assert handle.method.problems_at_end(handle, trainer.optimizer) == []
