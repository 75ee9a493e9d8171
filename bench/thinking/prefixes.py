"""Keys and values of the frozen model for traces that are read again and again, in every epoch and by every probe.

The base never changes, so what it says of a trace is computed once. Cached and fresh readings agree up to rounding
(rows of a batch are padded to other lengths).
"""

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache, PreTrainedModel

from rlvr_bench.thinking.batch import TraceBatch

LIMIT_BYTES = 2 * 1024**3
"""Traces beyond it are read anew each time."""


class Prefixes:
    """Reads traces with the base model; remembers up to `limit` bytes of keys and values."""

    def __init__(self, base: PreTrainedModel, limit: int = 0) -> None:
        self._base, self._left = base, limit
        self._known: dict[tuple[int, ...], Tensor] = {}

    def read(self, batch: TraceBatch) -> DynamicCache:
        """Keys and values of each row, zeros behind its last scored position."""
        if not self._left and not self._known:
            return self._forward(batch.token_ids)
        lengths: list[int] = batch.tokens_read.amax(dim=1).tolist()
        # By the tokens themselves: the same trace is asked for under other paddings and in other batches.
        names = [tuple(row[:length]) for row, length in zip(batch.token_ids.tolist(), lengths, strict=True)]
        fresh = self._fresh([row for row, name in enumerate(names) if name not in self._known], batch, names)
        # Padded to the whole row: the probe's mask hides what is behind a row's last position.
        whole = batch.token_ids.shape[1]
        rows = [self._known[name] if name in self._known else fresh[name] for name in names]
        both = torch.stack([pad(row, (0, 0, 0, whole - row.shape[3])) for row in rows], dim=2)
        cache = DynamicCache()
        for number, (keys, values) in enumerate(both):
            cache.update(keys, values, number)
        return cache

    def _fresh(self, rows: list[int], batch: TraceBatch, names: list[tuple[int, ...]]) -> dict[tuple[int, ...], Tensor]:
        """Keys and values [layers, 2, heads, length, head_dim] of rows that are not known; kept while there is room."""
        if not rows:
            return {}
        layers = [torch.stack((keys, values)) for keys, values, *_ in self._forward(batch.token_ids[rows])]
        both, caches = torch.stack(layers), {}
        for place, row in enumerate(rows):
            # A clone: a view would keep the whole batch's cache in memory.
            own = caches[names[row]] = both[:, :, place, :, : len(names[row])].clone()
            size = own.numel() * own.element_size()
            if size <= self._left:
                self._known[names[row]], self._left = own, self._left - size
        return caches

    def _forward(self, token_ids: Tensor) -> DynamicCache:
        cache = DynamicCache()
        with torch.no_grad():
            self._base.base_model(input_ids=token_ids, past_key_values=cache, use_cache=True)
        return cache
