"""Several examples in one row of tokens, each blind to the others.

Rows waste little on padding although short and long answers stand side by side. Sorting a batch by length instead would
make the share of worked answers in a batch swing, and with a loss averaged over tokens would change the share learned.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from rlvr_bench.models.errors import ModelError

IGNORED = -100


class PackedBatch(NamedTuple):
    """`ids`, `positions`, `labels`: (rows, row) int64; `mask`: (rows, 1, row, row) bool, true where attention may look.

    Labels are already shifted: `labels[:, t]` is the token that follows `ids[:, t]`, or IGNORED in prompts and padding.
    """

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: Tensor


def first_fit(lengths: Sequence[int], row: int) -> list[list[int]]:
    """Indices of examples by row: each goes, longest first, into the first row with room.

    Raises ModelError if an example is longer than `row`.
    """
    if max(lengths) > row:
        raise ModelError(f"An example has {max(lengths)} tokens and a row only {row}: give the recipe longer rows.")
    rows: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        place = next((number for number, left in enumerate(room) if left >= lengths[index]), len(rows))
        if place == len(rows):
            rows.append([])
            room.append(row)
        rows[place].append(index)
        room[place] -= lengths[index]
    return rows


def pack(examples: Sequence[tuple[list[int], list[int]]], row: int) -> PackedBatch:
    """Pack (prompt ids, answer ids) pairs; only answer tokens are labels."""
    rows = first_fit([len(prompt) + len(answer) for prompt, answer in examples], row)
    ids = torch.zeros(len(rows), row, dtype=torch.int64)
    positions, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    segments = torch.full_like(ids, -1)
    for number, members in enumerate(rows):
        start = 0
        for index in members:
            prompt, answer = examples[index]
            end, first_answer = start + len(prompt) + len(answer), start + len(prompt)
            ids[number, start:end] = torch.tensor(prompt + answer)
            positions[number, start:end] = torch.arange(end - start)
            labels[number, first_answer - 1 : end - 1] = torch.tensor(answer)
            segments[number, start:end] = index
            start = end
    same = segments[:, None, :, None] == segments[:, None, None, :]
    return PackedBatch(ids, positions, labels, same & torch.ones(row, row, dtype=torch.bool).tril())
