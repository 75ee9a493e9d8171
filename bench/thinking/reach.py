"""What of a cache a probe reads: some of the layers, of the heads, or of the newest tokens. For ablations.

The masks that transformers hands to each attention layer are narrowed on the way in, so that this works for every
architecture that can be probed; a layer out of reach leaves a probe token with itself alone.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from rlvr_bench.thinking.errors import ThinkingError
from rlvr_bench.thinking.settings import Reach, Span


def restrict(body: nn.Module, reach: Reach) -> None:
    """Hide layers and heads that are out of reach from the probe tokens that run through the decoder `body`.

    Raises:
        ThinkingError: the attention layers of this architecture are not numbered.
    """
    if (reach.layers, reach.heads) == (Reach().layers, Reach().heads):
        return
    layers = [
        (module, number)
        for module in body.modules()
        if isinstance(number := getattr(module, "layer_idx", None), int)
        and "attention_mask" in inspect.signature(module.forward).parameters
    ]
    if not layers:
        raise ThinkingError(f"{type(body).__name__} does not number its attention layers; leave scorer.reach as it is")
    config: Any = body.config
    text = config.get_text_config(decoder=True)
    heads, count = int(text.num_attention_heads), 1 + max(number for _, number in layers)
    groups = int(getattr(text, "num_key_value_heads", None) or heads)
    kept_heads = _inside(reach.heads, groups).repeat_interleave(heads // groups)
    kept_layers = _inside(reach.layers, count)
    for module, number in layers:
        kept = kept_heads & kept_layers[number]

        def narrow(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], kept: Tensor = kept) -> Any:
            return args, kwargs | {"attention_mask": _hidden(kwargs["attention_mask"], kept)}

        module.register_forward_pre_hook(narrow, with_kwargs=True)


def _inside(span: Span, count: int) -> Tensor:
    """Which of `count` things in a row lie in the span, bool [count]; at least one of them does."""
    first = min(round(span[0] * count), count - 1)
    places = torch.arange(count)
    return (places >= first) & (places < max(round(span[1] * count), first + 1))


def _hidden(mask: Tensor, kept: Tensor) -> Tensor:
    """The mask [rows, 1 or heads, queries, keys] in which all but the queries' own keys are hidden from some heads."""
    cached = mask.shape[3] - mask.shape[2]
    narrowed = mask.expand(-1, len(kept), -1, -1).clone()
    narrowed[:, ~kept.to(mask.device), :, :cached] = torch.finfo(mask.dtype).min
    return narrowed
