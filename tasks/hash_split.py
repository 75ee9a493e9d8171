"""Splits and samples of data sets that follow from the text of each problem alone.

No list of indices has to be kept: the same problem falls into the same split on every machine and in every order of
the file, so no problem can stand in two splits. Procedural families keep a part for pre-training: see `procedural`.
"""

import hashlib
from collections.abc import Iterable, Mapping

from rlvr_bench.tasks.problem import Problem, Split

Shares = Mapping[Split, float]

WHOLE_SET: Shares = {"train": 0.6, "validation": 0.1, "test": 0.3}
"""For sets without official parts: tests need the problems more than training does, which sees each of them often."""

TRAINING_SET: Shares = {"train": 0.9, "validation": 0.05, "test": 0.05}
"""For sets made to train on, which have one part: what they are judged by is other sets, so few tests will do."""

CARVED_FROM_TRAIN: Shares = {"train": 0.9, "validation": 0.1}
"""For sets with an official train and test part, but none for validation."""


def split_by_shares(problem: Problem, shares: Shares) -> Split:
    """The split of a problem; `shares` sum to 1."""
    place = _unit_interval(f"split {problem.id}")
    upper = 0.0
    for split, share in shares.items():
        upper += share
        if place < upper:
            return split
    return next(reversed(list(shares)))  # the shares' sum fell short of 1 by rounding


def in_hash_order(problems: Iterable[Problem], seed: int) -> list[Problem]:
    """The problems in a random order that depends on their texts and `seed` only: a prefix of it is a fair sample."""
    return sorted(problems, key=lambda problem: (_unit_interval(f"order {seed} {problem.id}"), problem.id))


def _unit_interval(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64
