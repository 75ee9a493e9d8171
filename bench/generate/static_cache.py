"""Keys and values of the rows that the fast path decodes, in memory that is laid out once for a batch."""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from rlvr_bench.generate.decoder_weights import DecoderWeights

SHORTEST_KEYS = 400
"""Below so many multiplications a matrix of a batched product takes torch's slow loop: short prompts are padded."""


class LayerView(NamedTuple):
    """The cache of one layer as one step sees it, rows and key heads in one dimension."""

    key: Tensor
    value: Tensor
    keys: Tensor
    values: Tensor
    padding: Tensor | None

    def attend(self, qkv: Tensor) -> Tensor:
        """Add a token per row and let it look back; `qkv` [rows, kv_heads, group + 2, head_dim], out [rows, width]."""
        rows = qkv.shape[0]
        qkv = qkv.flatten(0, 1)
        group = qkv.shape[1] - 2
        queries, key, value = qkv.split_with_sizes((group, 1, 1), dim=1)
        self.key.copy_(key.squeeze(1))
        self.value.copy_(value.squeeze(1))
        if self.padding is None:
            scores = torch.bmm(queries, self.keys)
        else:
            scores = torch.baddbmm(self.padding, queries, self.keys)
        return torch.bmm(torch.softmax(scores, dim=-1), self.values).view(rows, -1)


class StaticCache:
    """Keys and values of one batch, every row writing to the same place.

    Keys are [layers, rows * kv_heads, head_dim, length], transposed because the product with single queries is several
    times faster so; values [layers, rows * kv_heads, length, head_dim]. Prompts stand flush right in the first
    `prompt_length` places. `padding` is 0 where a row may look and the lowest number where it may not, shape
    [rows * kv_heads, 1, length]; None when all prompts are equally long.
    """

    def __init__(self, weights: DecoderWeights, prompts: list[list[int]], new_places: int) -> None:
        self.rows, self.kv_heads = len(prompts), weights.kv_heads
        self.prompt_length = max(SHORTEST_KEYS // weights.head_dim, *(len(prompt) for prompt in prompts))
        self.length = self.prompt_length + new_places
        shape = (len(weights.layers), self.rows * self.kv_heads)
        self.keys = torch.empty(*shape, weights.head_dim, self.length, dtype=weights.dtype)
        self.values = torch.empty(*shape, self.length, weights.head_dim, dtype=weights.dtype)
        self.padding = _padding(prompts, self.prompt_length, self.length, weights)

    def fill(self, layer: int, owner: Tensor, keys: Tensor, values: Tensor) -> None:
        """Write the keys and values of each row's prompt, `owner`; shape [prompts, length, kv_heads, head_dim]."""
        heads = (self.rows, self.kv_heads)
        keys, values = keys.permute(0, 2, 3, 1).contiguous(), values.transpose(1, 2).contiguous()
        self.keys[layer].unflatten(0, heads)[..., : self.prompt_length] = keys.index_select(0, owner)
        self.values[layer].unflatten(0, heads)[:, :, : self.prompt_length] = values.index_select(0, owner)

    def move(self, targets: Tensor, sources: Tensor) -> None:
        """Copy whole rows onto others."""
        heads = (self.rows, self.kv_heads)
        for cached in (self.keys.unflatten(1, heads), self.values.unflatten(1, heads)):
            cached.index_copy_(1, targets, cached.index_select(1, sources))
        if self.padding is not None:
            padding = self.padding.unflatten(0, heads)
            padding.index_copy_(0, targets, padding.index_select(0, sources))

    def take(self, rows: Tensor) -> "StaticCache":
        """A copy of some rows."""
        heads, part = (self.rows, self.kv_heads), copy.copy(self)
        part.rows = len(rows)
        part.keys, part.values = (
            cached.unflatten(1, heads).index_select(1, rows).flatten(1, 2) for cached in (self.keys, self.values)
        )
        if self.padding is not None:
            part.padding = self.padding.unflatten(0, heads).index_select(0, rows).flatten(0, 1)
        return part

    def joined(self, used: int, others: Sequence[tuple["StaticCache", int]], new_places: int) -> "StaticCache":
        """A cache of this one's rows and those of others, each with its first `used` places, `new_places` behind them.

        What was used stands flush right, as prompts do, so that all rows go on at the same place.
        """
        parts = [(self, used), *others]
        whole = copy.copy(self)
        whole.rows, whole.prompt_length = sum(part.rows for part, _ in parts), max(own for _, own in parts)
        whole.length = whole.prompt_length + new_places
        behind = [(whole.prompt_length - own, new_places) for _, own in parts]
        # Zeros, not what memory holds: what no row may look at is still multiplied, by 0.
        whole.keys = torch.cat([pad(c.keys[..., :own], ends) for (c, own), ends in zip(parts, behind, strict=True)], 1)
        whole.values = torch.cat(
            [pad(c.values[:, :, :own], (0, 0, *ends)) for (c, own), ends in zip(parts, behind, strict=True)], 1
        )
        whole.padding = torch.cat([c._hidden(own, ends) for (c, own), ends in zip(parts, behind, strict=True)])
        return whole

    def _hidden(self, used: int, ends: tuple[int, int]) -> Tensor:
        """The padding of the first `used` places with new places before and behind them."""
        own = self.padding
        if own is None:
            own = torch.zeros(self.rows * self.kv_heads, 1, used, dtype=self.keys.dtype)
        before, behind = ends
        hidden = pad(own[..., :used], (before, 0), value=torch.finfo(own.dtype).min)
        return pad(hidden, (0, behind))

    def window(self, rows: int, place: int) -> list[LayerView]:
        """Where the next token of the first `rows` rows is written and what it may look at, layer by layer."""
        flat, length = rows * self.kv_heads, place + 1
        padding = None if self.padding is None else self.padding[:flat, :, :length]
        keys, values = self.keys[:, :flat], self.values[:, :flat]
        # One unbind for all layers costs less than indexing layer by layer.
        newest = zip(keys[..., place].unbind(), values[:, :, place].unbind(), strict=True)
        before = zip(keys[..., :length].unbind(), values[:, :, :length].unbind(), strict=True)
        return [LayerView(*new, *seen_by_new, padding) for new, seen_by_new in zip(newest, before, strict=True)]


def _padding(prompts: list[list[int]], prompt_length: int, length: int, weights: DecoderWeights) -> Tensor | None:
    pads = torch.tensor([prompt_length - len(prompt) for prompt in prompts])
    if not bool(pads.any()):
        return None
    hidden = (torch.arange(length) < pads.unsqueeze(1)).repeat_interleave(weights.kv_heads, dim=0)
    lowest = torch.finfo(weights.dtype).min
    return torch.zeros(hidden.shape, dtype=weights.dtype).masked_fill_(hidden, lowest).unsqueeze(1)


def compact(ended: Tensor, count: int, cache: StaticCache) -> Tensor:
    """Places of `count` rows that stay, in their new order, those that go on among them.

    The last that go on take the places of ended ones, in the cache too.
    """
    places = torch.arange(count)
    # Only rows beyond the new end move: the cache is large, and most rows can stay where they are.
    movers = (~ended[count:]).nonzero().squeeze(1) + count
    if len(movers):
        holes = ended[:count].nonzero().squeeze(1)[: len(movers)]
        cache.move(holes, movers)
        places[holes] = movers
    return places
