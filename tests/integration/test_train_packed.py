"""Scoring without padding, and only rows with a signal, against the plain padded forward pass of everything."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from generate_models import CONFIGS, mixed_prompts, tiny_model
from launch_fixture import save_tiny_base
from peft import PromptTuningConfig, get_peft_model
from test_train_rlvr import _train, _weights
from torch import nn

from rlvr_bench.generate.backend import Completions
from rlvr_bench.generate.fast import FastBackend
from rlvr_bench.models.base import LoadedBase, load
from rlvr_bench.models.config import BaseConfig
from rlvr_bench.train import packed, proof, scorer
from rlvr_bench.train.probe import DriftError
from rlvr_bench.train.scorer import Rows

METHODS: list[dict[str, Any]] = [
    {"type": "full"},
    {"type": "lora", "rank": 2},
    {"type": "pissa", "rank": 2},
    {"type": "mask", "select": "random", "density": 0.1},
    {"type": "peft", "peft_type": "IA3", "feedforward_modules": ["down_proj"]},
    {"type": "peft", "peft_type": "OFT", "oft_block_size": 4},
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> LoadedBase:
    return load(BaseConfig(name=str(save_tiny_base(tmp_path_factory.mktemp("base") / "tiny"))))


def _rows() -> Rows:
    """Groups of equal prompts of several lengths, and completions of 1 to 40 tokens."""
    generator = torch.Generator().manual_seed(0)
    prompts = [prompt for prompt in mixed_prompts()[:4] for _ in range(3)]
    lengths = [1, 40, 7, 2, 1, 1, 16, 17, 33, 5, 9, 12]
    completions = [torch.randint(4, 20, (length,), generator=generator).tolist() for length in lengths]
    return Rows.of_lists(prompts, completions, torch.device("cpu"))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_packed_log_probs_are_those_of_padded_rows(config: str, temperature: float) -> None:
    model, rows = tiny_model(config), _rows()
    ours, theirs = (scorer.log_probs_of(model, rows, temperature, backend) for backend in ("packed", "padded"))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert bool((ours[rows.completion_mask == 0] == 0).all())


def test_packed_gradients_and_entropies_are_those_of_a_plain_forward_pass() -> None:
    model, rows = tiny_model("qwen2"), _rows()
    log_probs, entropies = scorer.policy_log_probs(model, rows, 1.0)
    (log_probs * torch.arange(log_probs.shape[1])).sum().backward()
    packed_gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    for row in range(len(rows.prompt_ids)):
        prompt = rows.prompt_ids[row][rows.prompt_mask[row].bool()]
        completion = rows.completion_ids[row][rows.completion_mask[row].bool()]
        logits = model(torch.cat([prompt, completion]).unsqueeze(0)).logits[0, len(prompt) - 1 : -1]
        distribution = torch.log_softmax(logits, -1)
        chosen = distribution.gather(1, completion.unsqueeze(1)).squeeze(1)
        exact = -(distribution.exp() * distribution).sum(-1)
        torch.testing.assert_close(entropies[row, : len(completion)], exact.detach(), rtol=0, atol=1e-5)
        (chosen * torch.arange(len(chosen))).sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(packed_gradients[name], parameter.grad, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.get("peft_type", method["type"]))
def test_training_is_that_of_the_reference_path(base: LoadedBase, tmp_path: Path, method: dict[str, Any]) -> None:
    # The reward has groups without signal in it, which the packed path leaves out.
    settings: dict[str, Any] = {"rate": 1e-3, "steps": 4, "kl_every": 1, "prompts_per_batch": 4, "group_size": 2}
    fast, trainer, handle = _train(base, tmp_path, method, **settings)
    slow, reference, other = _train(base, tmp_path, method, update_backend="padded", **settings)
    assert (trainer.update_backend, reference.update_backend) == ("packed", "padded")
    assert 0 < max(step.frac_reward_zero_std or 0.0 for step in fast) < 1
    for ours, theirs in zip(fast, slow, strict=True):
        assert (ours.tokens, ours.reward) == (theirs.tokens, theirs.reward)
        for name in ("loss", "entropy", "kl", "grad_norm", "clip_ratio_region_mean"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=2e-3, abs=2e-6), name
    theirs_weights = _weights(other)
    for name, tensor in _weights(handle).items():
        torch.testing.assert_close(tensor, theirs_weights[name], rtol=1e-3, atol=2e-5)


def test_several_updates_with_a_kl_penalty_are_those_of_the_reference_path(base: LoadedBase, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"rate": 1e-3, "steps": 4, "updates_per_batch": 2, "kl_weight": 0.05, "micro_batch": 2}
    fast, _, handle = _train(base, tmp_path, METHODS[0], **settings)
    _, _, other = _train(base, tmp_path, METHODS[0], update_backend="padded", **settings)
    assert fast[-1].kl is not None and fast[-1].kl > 0
    theirs = _weights(other)
    for name, tensor in _weights(handle).items():
        torch.testing.assert_close(tensor, theirs[name], rtol=1e-3, atol=2e-5)


def test_virtual_tokens_take_the_padded_path() -> None:
    model = get_peft_model(tiny_model(), PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2))
    assert proof.choose("auto", (model,), [[5, 6]], 8) == "padded"
    with pytest.raises(ValueError, match="virtual tokens"):
        proof.choose("packed", (model,), [[5, 6]], 8)


def test_an_attention_of_its_own_takes_the_padded_path() -> None:
    class OwnAttention(nn.Module):
        pass

    model = tiny_model()
    model.model.layers[0].self_attn = OwnAttention()
    assert packed.refusal(model) == "its attention is a OwnAttention"


class _Stale(FastBackend):
    """A backend that forgets to take the new weights."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Any = None

    def generate(self, model: Any, *args: Any, **kwargs: Any) -> Completions:
        self.first = self.first or copy.deepcopy(model)
        return super().generate(self.first, *args, **kwargs)


def test_a_backend_with_old_weights_stops_the_run(
    base: LoadedBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_train_rlvr.create", lambda name: _Stale())
    with pytest.raises(DriftError, match=r"rollout backend 'fast' and trainer \(packed\) differ by"):
        _train(base, tmp_path, METHODS[0], rate=0.05, steps=6, probe_every=2)
