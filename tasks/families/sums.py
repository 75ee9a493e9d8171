"""Sums and differences of several terms whose running value never leaves 0 to 39: "sum 12+7-5=?"."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise

LARGEST = 39


def draw_moves(rng: random.Random, start: int, count: int) -> list[Move]:
    """`count` additions and subtractions of 1 to 9 that keep the running value within 0 to LARGEST."""
    moves: list[Move] = []
    value = start
    while len(moves) < count:
        operator, operand = rng.choice("+-"), rng.randrange(1, 10)
        after = value + operand if operator == "+" else value - operand
        if 0 <= after <= LARGEST:
            moves.append((operator, operand))
            value = after
    return moves


class Sums(Stepwise):
    """Multi-step addition and subtraction; the level is the number of operations."""

    name = "sums"
    levels = tuple(range(1, 7))
    description = "addition and subtraction without negative numbers; level = operations"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """A start of 1 to 29, then terms of one digit."""
        start = rng.randrange(1, 30)
        return start, draw_moves(rng, start, level)

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "sum 12+7-5=?"."""
        return f"sum {start}{''.join(f'{operator}{operand}' for operator, operand in moves)}=?"

    def apply(self, value: int, move: Move) -> int:
        """Plain addition or subtraction."""
        operator, operand = move
        return value + operand if operator == "+" else value - operand
