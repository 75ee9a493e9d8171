"""Attaching any adapter type by its name, and trying out whether it can be trained here.

A batch brings token ids and nothing else, rollouts and updates must see one policy, and something must be trained. PEFT
types are many and new ones come with every release, so this is asked of the model and not of a list.
"""

import torch
from torch import nn
from transformers import PreTrainedModel

from rlvr_bench.methods.base.method import Calibration
from rlvr_bench.methods.base.seeding import forked_random_state
from rlvr_bench.methods.errors import MethodError
from rlvr_bench.methods.peft.handle import PeftHandle, attach_adapters
from rlvr_bench.methods.peft.method import PeftMethod
from rlvr_bench.methods.peft.table import PEFT_ROWS

TOKENS = 4
"""Length of the sequences that are tried."""

PUSH = 0.1
"""Width of the normal draw that moves adapters off a start of zero, where no noise would show."""


def attach_any(
    method: PeftMethod, model: PreTrainedModel, seed: int, calibration: Calibration | None = None
) -> PeftHandle:
    """Wrap `model` in place with the adapters of `method`.

    Raises `MethodError` with what PEFT says when it refuses or breaks, and for adapters that cannot be trained by
    reinforcement learning as it is.
    """
    kind = method.adapter_type()
    try:
        handle = attach_adapters(method, model, seed, calibration)
    except torch.OutOfMemoryError:
        raise
    except MethodError as refused:
        raise MethodError(f"{refused}; {_fix(kind)}") from refused
    except Exception as failure:
        raise MethodError(
            f"PEFT cannot put {kind} on {type(model).__name__}: {_words(failure)}; {_fix(kind)}"
        ) from failure
    refuse_unfit(kind, handle)
    return handle


def _fix(kind: str) -> str:
    rows = [name for name, row in PEFT_ROWS.items() if row.peft_type == kind]
    return f"change its keys, or take the method {rows[0]!r}, which sets them" if len(rows) == 1 else "change its keys"


def _words(failure: Exception) -> str:
    return f"{type(failure).__name__}: {' '.join(str(failure).split())}"


def refuse_unfit(kind: str, handle: PeftHandle) -> None:
    """Raise `MethodError` when adapters of PEFT type `kind` train nothing, or their forward pass is no function.

    It must take token ids alone, give the same logits for the same ones, and leave what is trained as it is. Adapters,
    training modes and the global random state are as before.
    """
    trained = handle.trainable()
    if not trained:
        raise MethodError(f"PEFT's {kind} trains nothing with these keys; give it those that say what it adds")
    if any(parameter.is_meta for parameter in handle.model.parameters()):
        return
    # Pushed away from their start, where many adapters are 0 and any fault in their forward pass is hidden.
    originals = [parameter.detach().clone() for _, parameter in trained]
    with forked_random_state(handle.seed), torch.no_grad():
        for _, parameter in trained:
            parameter.add_(PUSH * torch.randn_like(parameter))
        pushed = [parameter.clone() for _, parameter in trained]
        try:
            # Noise that the base has, too (a router's, dropout that is written down), is not the adapter's.
            noise, of_the_base = (_noise(kind, model, handle) for model in (handle.model, handle.view.model))
            rewritten = [name for (name, now), was in zip(trained, pushed, strict=True) if not torch.equal(now, was)]
        finally:
            for (_, parameter), before in zip(trained, originals, strict=True):
                parameter.copy_(before)
    if rewritten:
        raise MethodError(
            f"PEFT's {kind} rewrites {rewritten[0]} in its forward pass, so that a rollout would change what is "
            "trained; choose another type"
        )
    if noise and not of_the_base:
        raise MethodError(
            f"PEFT's {kind} draws at random while it trains (logits of the same tokens differ by {noise:.2g}), so that "
            "updates would see another policy than rollouts; choose a setting or a type without noise"
        )


def _noise(kind: str, model: nn.Module, handle: PeftHandle) -> float:
    """Return the largest difference between the logits of two passes in training mode."""
    embeddings = handle.view.model.get_input_embeddings().weight
    token_ids = torch.arange(2 * TOKENS, device=embeddings.device).reshape(2, TOKENS) % len(embeddings)
    modes = [(module, module.training) for module in model.modules()]
    model.train()
    try:
        first, second = (model(input_ids=token_ids).logits.float() for _ in range(2))
    except torch.OutOfMemoryError:
        raise
    except Exception as failure:
        raise MethodError(
            f"PEFT's {kind} was attached, but its forward pass fails on token ids alone: {_words(failure)}; choose a "
            "type that needs nothing else"
        ) from failure
    finally:
        for module, training in modes:
            module.training = training
    return float((first - second).abs().max())
