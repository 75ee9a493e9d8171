"""Packing proves itself on the model at hand before it is used, at the lengths of the run.

A packed row is right only if no token sees another one's row. Whether that holds is not read off a config: a few rows
of random tokens, as long as those of the run, are scored both ways.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import nn

from rlvr_bench.train import packed, scorer
from rlvr_bench.train.scorer import PACKED, PADDED, Rows

TOLERANCE = 1e-3
"""Nats by which a token's log-probability may differ, for weights in float32; measured rounding is below 1e-4."""
TOLERANCE_HALF = 0.1
"""The same for weights in 16 bits, whose rounding alone is 0.01 to 0.05."""

_SEED = 20_260_417
_SCORED, _MOST_PADDING = 4, 64
_proved: WeakKeyDictionary[nn.Module, dict[tuple[int, int, int], str | None]] = WeakKeyDictionary()


def choose(requested: str, models: Sequence[nn.Module], prompts: Sequence[Sequence[int]], max_new_tokens: int) -> str:
    """Return the one way, "packed" or "padded", in which all models of a run are scored.

    "auto" is packed where every model can be: a policy and its reference are then off by the same rounding.

    Raises:
        ValueError: "packed" is requested for a model that cannot be.
    """
    if requested == PADDED:
        return PADDED
    reasons = (packing_refusal(model, prompts, max_new_tokens) for model in models)
    reason = next((each for each in reasons if each is not None), None)
    if reason is None:
        return PACKED
    if requested == PACKED:
        raise ValueError(f'signal.update_backend = "packed" is not possible: {reason}; set "auto" or "padded"')
    return PADDED


def packing_refusal(model: nn.Module, prompts: Sequence[Sequence[int]], max_new_tokens: int) -> str | None:
    """Return why rows like these cannot be packed for `model`, in one sentence; None when they can. Proved once each.

    Args:
        prompts: token ids of the run's prompts; the shortest and the longest are used.
        max_new_tokens: the longest completion of the run.
    """
    reason = packed.refusal(model)
    if reason is not None:
        return reason
    short, long = min(prompts, key=len), max(prompts, key=len)
    lengths = (len(short), len(long), max_new_tokens)
    refusals = _proved.setdefault(model, {})
    if lengths not in refusals:
        refusals[lengths] = _refusal_on(model, [list(short), list(long), list(long)], max_new_tokens)
    return refusals[lengths]


def padding_refusal(model: nn.Module, prompts: Sequence[Sequence[int]]) -> str | None:
    """Return why prompts of different lengths cannot stand in one padded batch, in one sentence; None when they can.

    Batches of rollouts, of evaluations and of updates have padding, which some recurrent layers read like text. Only
    told of weights in float32: the rounding of others could hide it, or look like it.
    """
    short, long = min(prompts, key=len), max(prompts, key=len)
    weight = next(model.parameters())
    if len(short) == len(long) or weight.dtype != torch.float32:
        return None
    # The more padding, the more it shows; a few tokens behind the prompts are what is scored.
    rows, behind = [list(short), list(long[-len(short) - _MOST_PADDING :])], [list(long[:_SCORED])] * 2
    together, *alone = (
        scorer.log_probs_of(model, Rows.of_lists(own, behind[: len(own)], weight.device), 1.0, PADDED)
        for own in (rows, rows[:1], rows[1:])
    )
    off = float((together - torch.cat(alone)).abs().max())
    if off <= TOLERANCE:
        return None
    return (
        f"{type(model).__name__} reads padding: a prompt beside a longer one is scored {off:.2g} nats off; choose a "
        "base that leaves padding out"
    )


def _refusal_on(model: nn.Module, prompts: list[list[int]], longest: int) -> str | None:
    weight = next(model.parameters())
    generator = torch.Generator().manual_seed(_SEED)
    vocabulary = int(getattr(model, "config").vocab_size)  # noqa: B009 - of a plain model and of PEFT's alike
    completions = [
        torch.randint(vocabulary, (length,), generator=generator).tolist()
        for length in (max(longest // 2, 1), longest, max(longest // 3, 1))
    ]
    rows = Rows.of_lists(prompts, completions, weight.device)
    padded_scores = scorer.log_probs_of(model, rows, 1.0, PADDED)
    try:
        packed_scores = scorer.log_probs_of(model, rows, 1.0, PACKED)
    except packed.UnsupportedAttention as reason:
        return str(reason)
    except (AttributeError, IndexError, TypeError, ValueError, RuntimeError) as failure:
        # Padded rows went through: what fails is only how this model takes a packed one.
        return f"it does not take a packed row ({type(failure).__name__}: {' '.join(str(failure).split())[:200]})"
    off = float((packed_scores - padded_scores).abs().max())
    tolerance = TOLERANCE if weight.dtype == torch.float32 else TOLERANCE_HALF
    if off <= tolerance:
        return None
    return f"its packed log-probabilities differ by {off:.2g} nats from its padded ones"
