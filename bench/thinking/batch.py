"""Traces as tensors: right-padded rows of prompt and completion, and the positions at which they are scored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rlvr_bench.thinking.trace import Trace


@dataclass(frozen=True, slots=True)
class TraceBatch:
    """`token_ids` [traces, length] hold prompt and the completion's tokens up to the last scored position.

    `tokens_read` [traces, positions] counts the tokens (prompt included) that each scored position has read; rows with
    fewer positions repeat their last one, and `scored` is False there.
    """

    token_ids: Tensor
    tokens_read: Tensor
    scored: Tensor


def collate(traces: Sequence[Trace], places: Sequence[Sequence[int]], device: torch.device) -> TraceBatch:
    """Batch traces with their positions (completion tokens read, ascending). Padding is id 0, which nothing sees."""
    rows = [list(trace.prompt + trace.tokens[: own[-1]]) for trace, own in zip(traces, places, strict=True)]
    longest, most = max(map(len, rows)), max(map(len, places))
    tokens_read = [
        [len(trace.prompt) + place for place in [*own, *[own[-1]] * (most - len(own))]]
        for trace, own in zip(traces, places, strict=True)
    ]
    return TraceBatch(
        torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device),
        torch.tensor(tokens_read, device=device),
        torch.tensor([[place < len(own) for place in range(most)] for own in places], device=device),
    )


def by_length(traces: Sequence[Trace], batch_size: int) -> Iterator[list[int]]:
    """Numbers of the traces in batches of like length, so that little is padded."""
    order = sorted(range(len(traces)), key=lambda number: len(traces[number].prompt) + traces[number].fed)
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
