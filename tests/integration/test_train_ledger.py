"""The ledger against counted tokens and against torch's own count of floating-point operations."""

import pytest
import torch
from generate_models import mixed_prompts, tiny_model
from torch.utils.flop_counter import FlopCounterMode

from bench.experiment.settings import RlvrSettings, TrainingSettings
from bench.experiment.signals import RftSettings, RlhfSettings, SftRlvrSettings, SftSettings
from bench.train.ledger import Meter, Shape
from bench.train.verdicts import BoughtVerdicts
from tasks.problem import Verdict

CONFIGS = ["llama, tied", "llama, untied, grouped queries", "qwen3"]


@pytest.mark.parametrize("config", CONFIGS)
def test_a_forward_and_a_backward_pass_against_torch(config: str) -> None:
    model = tiny_model(config)
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 61, (3, 40))
    meter = Meter()
    meter.learn(Shape.of(model), [40] * 3)
    with FlopCounterMode(display=False) as forward:
        loss = model(input_ids=ids, labels=ids).loss
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    # Rotary positions are a matrix product of one column, which the estimate leaves out.
    assert meter.forward_flops == pytest.approx(forward.get_total_flops(), rel=5e-3)
    assert meter.backward_flops == pytest.approx(backward.get_total_flops(), rel=5e-3)
    assert meter.learned_tokens == 120


def test_sampling_with_a_cache_against_torch() -> None:
    model = tiny_model("llama, tied")
    model.set_attn_implementation("eager")
    ids = torch.randint(5, 61, (1, 12))
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        output = model(input_ids=ids, use_cache=True)
        for _ in range(9):
            output = model(input_ids=ids[:, :1], past_key_values=output.past_key_values, use_cache=True)
    assert Shape.of(model).decode(12, 10) == pytest.approx(counted.get_total_flops(), rel=5e-3)


def test_tokens_and_flops_add_up_over_completions() -> None:
    model = tiny_model()
    prompts = mixed_prompts(4, 2)
    completions = [[7] * (1 + place) for place in range(len(prompts))]
    meter, shape = Meter(), Shape.of(model)
    meter.generate(shape, prompts, completions)
    assert meter.generated_tokens == sum(map(len, completions))
    singly = sum(shape.decode(len(prompt), len(own)) for prompt, own in zip(prompts, completions, strict=True))
    assert (meter.flops, meter.backward_flops) == (singly, 0)
    assert shape.decode(5, 1) == shape.forward(5)


def test_a_budget_ends_training_when_it_is_used() -> None:
    meter = Meter(forward_flops=60, backward_flops=39, verdicts=7)
    flops = RlvrSettings(match="flops", budget=100)
    assert not meter.exhausted(flops) and not meter.ledger(flops).used_up
    meter.backward_flops += 1
    assert meter.exhausted(flops) and meter.ledger(flops).used_up
    assert meter.exhausted(RlvrSettings(match="labels", budget=7))
    assert not meter.exhausted(SftSettings(match="labels", budget=7))  # bought before training, which goes on
    assert not meter.exhausted(RlvrSettings(steps=1))


@pytest.mark.parametrize(
    ("settings", "bought", "steps", "used_up"),
    [
        (RlvrSettings(match="labels", budget=100, steps=2), {"verdicts": 16}, 2, False),
        (RlvrSettings(match="labels", budget=16, steps=9), {"verdicts": 16}, 2, True),
        (SftSettings(match="labels", budget=9, steps=2), {"solutions": 9}, 2, True),
        (SftSettings(match="labels", budget=9, steps=2), {"solutions": 8}, 2, False),
        (SftSettings(match="labels", budget=9, steps=2), {"solutions": 9}, 1, False),
        (RftSettings(match="labels", budget=70, steps=2, iterations=2), {"verdicts": 64}, 2, True),
        (RftSettings(match="labels", budget=70, steps=2, iterations=2), {"verdicts": 32}, 2, False),
        (RlvrSettings(match="flops", budget=100, steps=2), {}, 2, False),
    ],
)
def test_a_budget_of_labels_is_used_up_when_they_are_bought(
    settings: TrainingSettings, bought: dict[str, int], steps: int, used_up: bool
) -> None:
    assert Meter(steps=steps, **bought).ledger(settings).used_up == used_up


def test_a_budget_that_pays_for_no_label_is_refused() -> None:
    with pytest.raises(ValueError, match=r"budget = 0\.5 pays for no label"):
        RlhfSettings(match="labels", budget=0.5)
    with pytest.raises(ValueError, match=r"sft_share = 0\.25 of budget = 3 labels pays for no solution"):
        SftRlvrSettings(match="labels", budget=3)
    with pytest.raises(ValueError, match="do not pay for 4 iterations of 8"):
        RftSettings(match="labels", budget=31)


def test_only_verdicts_that_are_read_are_bought() -> None:
    bought = BoughtVerdicts([Verdict(True, "1", "correct")] * 5)
    assert (len(bought), bought.read) == (5, 0)
    assert bought[1].correct and bought[1].correct and bought.read == 1
    assert len(bought[3:]) == 2 and bought.read == 3
    assert all(verdict.correct for verdict in bought) and bought.read == 5
