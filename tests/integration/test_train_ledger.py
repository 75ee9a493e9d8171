"""The ledger against counted tokens and against torch's own count of floating-point operations."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from generate_models import mixed_prompts, tiny_model
from launch_fixture import save_tiny_base
from signal_runs import TASK, TINY, starter
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.llama.modeling_llama import LlamaModel

from rlvr_bench.experiment.settings import RlvrSettings, TrainingSettings
from rlvr_bench.experiment.signals import RftSettings, RlhfSettings, SftRlvrSettings, SftSettings
from rlvr_bench.generate.backend import Completions
from rlvr_bench.generate.sampling_params import SamplingParams
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.tasks.problem import Verdict
from rlvr_bench.train import es, rlhf, shadowed
from rlvr_bench.train.ledger import Meter, Shape
from rlvr_bench.train.probe import Probe
from rlvr_bench.train.reward_model import LearnedReward, with_scalar_output
from rlvr_bench.train.signals import SIGNALS
from rlvr_bench.train.training_run import TrainingRun
from rlvr_bench.train.verdicts import CountedVerdicts

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


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


class _Recount:
    """Watches a run: lengths of what was sampled, learned from and scored, and the passes that only measure."""

    def __init__(self, run: TrainingRun[Any], monkeypatch: pytest.MonkeyPatch) -> None:
        self.sampled: list[tuple[int, int]] = []
        self.learned: dict[str, list[int]] = {}
        self.scored: list[int] = []
        self.referenced: list[int] = []
        self._measuring = False
        generate = run.backend.generate

        def generating(model: Any, prompts: list[list[int]], params: SamplingParams) -> Completions:
            made = generate(model, prompts, params)
            pairs = zip(prompts, made.token_ids, strict=True)
            self.sampled += [] if self._measuring else [(len(prompt), len(own)) for prompt, own in pairs]
            return made

        monkeypatch.setattr(run.backend, "generate", generating)
        forward = LlamaModel.forward

        def passing(model: LlamaModel, *ids: Any, attention_mask: Any = None, **others: Any) -> Any:
            if torch.is_grad_enabled():
                owner = "reward model" if model is not run.handle.model.model else "policy"
                self.learned.setdefault(owner, []).extend(attention_mask.sum(1).tolist())
            elif run.settings.type == "dpo" and model is run.reference.model and not self._measuring:
                self.referenced.extend(attention_mask.sum(1).tolist())
            return forward(model, *ids, attention_mask=attention_mask, **others)

        monkeypatch.setattr(LlamaModel, "forward", passing)
        pay = LearnedReward.__call__

        def paying(learned: LearnedReward, completions: Any, problems: Any, context: Any) -> list[float]:
            for text, problem in zip(completions, problems, strict=True):
                self.scored.append(len(run.tokenizer(TASK.prompt(problem) + text)["input_ids"]) + 1)
            return pay(learned, completions, problems, context)

        monkeypatch.setattr(LearnedReward, "__call__", paying)
        monkeypatch.setattr(Probe, "largest_difference", self._apart(Probe.largest_difference))
        for module in (shadowed, es):
            monkeypatch.setattr(module, "shadow", self._apart(shadowed.shadow))
        bought = rlhf.collect
        unpaid = self._apart(bought)
        monkeypatch.setattr(rlhf, "collect", lambda *a, paid=True: bought(*a) if paid else unpaid(*a, paid=False))

    def _apart(self, measure: Any) -> Any:
        def measuring(*arguments: Any, **settings: Any) -> Any:
            self._measuring = True
            try:
                return measure(*arguments, **settings)
            finally:
                self._measuring = False

        return measuring


@cache
def _flops(model: Any, length: int) -> tuple[int, int]:
    """What torch counts for one sequence, forward and backward."""
    with FlopCounterMode(display=False) as forward:
        logits = model(input_ids=torch.full((1, length), 5)).logits
    with FlopCounterMode(display=False) as backward:
        logits.sum().backward()
    return forward.get_total_flops(), backward.get_total_flops()


@cache
def _sampling_flops(model: Any, prompt: int, completion: int) -> int:
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        output = model(input_ids=torch.full((1, prompt), 5), use_cache=True)
        for _ in range(completion - 1):
            output = model(input_ids=torch.full((1, 1), 5), past_key_values=output.past_key_values, use_cache=True)
    return counted.get_total_flops()


@pytest.mark.parametrize("kind", sorted(TINY))
def test_the_ledger_of_a_run_is_what_torch_counts_of_its_sequences(
    kind: str, base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grpo = {} if kind in ("sft", "rft", "dpo", "es") else {"update_backend": "padded"}
    run = starter(base, tmp_path)(kind, **grpo)
    recount = _Recount(run, monkeypatch)
    SIGNALS[kind](run, lambda step: None)
    monkeypatch.undo()
    meter = run.meter
    learned = [length for lengths in recount.learned.values() for length in lengths]
    assert meter.generated_tokens == sum(own for _, own in recount.sampled)
    assert meter.learned_tokens == sum(learned)
    assert bool(learned) == (kind != "es")
    assert bool(recount.sampled) == (kind != "sft")

    policy = copy.deepcopy(base.model).eval()
    policy.set_attn_implementation("eager")
    judge = with_scalar_output(policy, run.tokenizer.pad_token_id).eval()
    models = {"policy": policy, "reward model": judge}
    passes = [_flops(models[owner], length) for owner, lengths in recount.learned.items() for length in lengths]
    forward = sum(first for first, _ in passes) + sum(_flops(judge, length)[0] for length in recount.scored)
    forward += sum(_flops(policy, length)[0] for length in recount.referenced)
    forward += sum(_sampling_flops(policy, *pair) for pair in recount.sampled)
    assert meter.forward_flops == pytest.approx(forward, rel=1e-2)
    assert meter.backward_flops == pytest.approx(sum(second for _, second in passes), rel=1e-2)


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
    bought = CountedVerdicts([Verdict(True, "1", "correct")] * 5)
    assert (len(bought), bought.read) == (5, 0)
    assert bought[1].correct and bought[1].correct and bought.read == 1
    assert len(bought[3:]) == 2 and bought.read == 3
    assert all(verdict.correct for verdict in bought) and bought.read == 5
