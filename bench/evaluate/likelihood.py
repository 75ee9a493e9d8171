"""Log-likelihoods of given continuations, by the model's own forward pass: what lm-eval's multiple choice asks for."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

TOKENS_AT_ONCE = 8192
"""Tokens of a batch at most: the logits of a whole batch are in memory."""

Pair = tuple[Sequence[int], Sequence[int]]
"""Token ids of a context and of its continuation; neither is empty."""


@torch.no_grad()
def log_likelihoods(
    model: PreTrainedModel, pairs: Sequence[Pair], batch_size: int, context: int
) -> list[tuple[float, bool]]:
    """For each pair the log-probability of the continuation in nats, and whether greedy decoding would give it.

    `context` is how many tokens the model reads at most; what is too long loses its beginning, as in lm-eval.
    """
    rows = [list(before) + list(after) for before, after in pairs]
    rows = [row[-(context + 1) :] for row in rows]
    likelihoods: list[tuple[float, bool]] = [(0.0, False)] * len(rows)
    for batch in _batches(rows, batch_size):
        # Padding stands on the right, where no token that counts looks at it.
        ids = pad_sequence([torch.tensor(rows[place][:-1]) for place in batch], batch_first=True).to(model.device)
        logits: Tensor = model(input_ids=ids, use_cache=False).logits
        for row, place in zip(logits, batch, strict=True):
            after = torch.tensor(list(pairs[place][1])[-context:], device=row.device)
            end = len(rows[place]) - 1
            own = torch.log_softmax(row[end - len(after) : end].float(), dim=-1)
            total = float(own.gather(-1, after[:, None]).sum())
            likelihoods[place] = (total, bool((own.argmax(dim=-1) == after).all()))
    return likelihoods


def _batches(rows: Sequence[Sequence[int]], batch_size: int) -> list[list[int]]:
    """Row numbers in batches, longest rows first, within `batch_size` and `TOKENS_AT_ONCE`."""
    batches: list[list[int]] = []
    for place in sorted(range(len(rows)), key=lambda place: -len(rows[place])):
        longest = len(rows[batches[-1][0]]) if batches else 0
        if not batches or len(batches[-1]) >= max(1, min(batch_size, TOKENS_AT_ONCE // max(longest, 1))):
            batches.append([])
        batches[-1].append(place)
    return batches
