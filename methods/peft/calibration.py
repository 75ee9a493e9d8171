"""LoRA starts that look at training prompts: feeding them through PEFT's own preprocessing.

    corda      inputs of every module, before the adapters are made
    lora_ga    gradients of every matrix, before the adapters are made
    eva        inputs of every module, after the adapters are made

There is no reward yet when a method is attached, so LoRA-GA's gradient is that of the prompts' own next-token loss.
"""

from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora.corda import preprocess_corda
from peft.tuners.lora.eva import initialize_lora_eva_weights
from peft.tuners.lora.loraga import preprocess_loraga
from torch import Tensor, nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.calibration import padded
from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.plain import in_training_mode
from rlvr_bench.methods.errors import MethodError

EVA_TOKENS = 512
"""Tokens of a batch for EVA, if there are as many: small batches settle slowly."""

EVA_PASSES = 50
"""Passes over the prompts within which EVA's components must settle; PEFT itself would go on for ever."""


def before_adapters(start: str, model: PreTrainedModel, config: Any, prompts: Calibration) -> None:
    """Leave on the modules of `model` what the LoRA start `start` reads there."""
    if start == "corda":
        with in_training_mode(model, False):
            preprocess_corda(model, config, run_model=lambda: _read(model, prompts))
    elif start == "lora_ga":
        with in_training_mode(model, model.training):
            preprocess_loraga(model, config, train_step=lambda: _learn(model, prompts))


def after_adapters(start: str, model: PeftModel, config: LoraConfig, prompts: Calibration) -> None:
    """Write the LoRA start `start` into the adapters of `model` where it could not be made with them."""
    if start == "eva":
        with in_training_mode(model, False):
            batches = _batches(prompts, 2 * round(config.r * config.eva_config.rho), model.device)
            forward = _limited(EVA_PASSES * len(batches))
            initialize_lora_eva_weights(model, batches, forward_fn=forward, show_progress_bar=False)


def _read(model: PreTrainedModel, prompts: Calibration) -> None:
    """Run the prompts one by one: CorDA takes the rows of a single sequence."""
    for prompt in prompts:
        model(input_ids=torch.tensor([prompt], device=model.device), use_cache=False)


def _learn(model: PreTrainedModel, prompts: Calibration) -> None:
    """Sum up the gradients of every prompt's mean next-token loss; PEFT divides by their number."""
    for token_ids in _of_two_or_more(prompts):
        ids = torch.tensor([token_ids], device=model.device)
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()


def _of_two_or_more(prompts: Calibration) -> Calibration:
    usable = [prompt for prompt in prompts if len(prompt) > 1]
    if not usable:
        raise MethodError("no calibration prompt has a second token to predict; give longer prompts")
    return usable


def _batches(prompts: Calibration, fewest: int, device: torch.device) -> list[dict[str, Tensor]]:
    """Return the prompts in batches of `EVA_TOKENS` tokens; an SVD of as many components needs the `fewest` in each."""
    total = sum(map(len, prompts))
    if total < fewest:
        raise MethodError(
            f"the calibration prompts have {total} tokens, but eva needs {fewest} for this rank; give more prompts, "
            "or lower rank"
        )
    groups: list[list[Any]] = [[]]
    for prompt in prompts:
        if sum(map(len, groups[-1])) >= max(fewest, EVA_TOKENS):
            groups.append([])
        groups[-1].append(prompt)
    if len(groups) > 1 and sum(map(len, groups[-1])) < fewest:
        groups[-2] += groups.pop()
    pairs = (padded(group, device) for group in groups)
    return [{"input_ids": token_ids, "attention_mask": real.long()} for token_ids, real in pairs]


def _limited(calls: int) -> Callable[[nn.Module, dict[str, Tensor]], Any]:
    """Return a forward function that refuses to be called more than `calls` times."""
    done = 0

    def forward(model: nn.Module, inputs: dict[str, Tensor]) -> Any:
        nonlocal done
        done += 1
        if done > calls:
            raise MethodError(
                f"eva's components did not settle within {EVA_PASSES} passes over the calibration prompts; lower rank, "
                "or give more prompts"
            )
        return model(**inputs, use_cache=False)

    return forward
