"""Comparison: the largest or smallest of several numbers, "max 34 71 25=?"."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise


class Compare(Stepwise):
    """Largest or smallest of level + 1 two-digit numbers."""

    name = "compare"
    levels = tuple(range(1, 6))
    description = "largest or smallest of several two-digit numbers; level = comparisons"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """Different numbers of 10 to 99; the operator of every move is "max" or every one is "min"."""
        first, *others = rng.sample(range(10, 100), level + 1)
        operator = rng.choice(("max", "min"))
        return first, [(operator, number) for number in others]

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "max 34 71 25=?"."""
        return f"{moves[0][0]} {start} {' '.join(str(number) for _, number in moves)}=?"

    def apply(self, value: int, move: Move) -> int:
        """The larger or smaller of the two."""
        operator, number = move
        return max(value, number) if operator == "max" else min(value, number)

    def left_side(self, value: int, move: Move) -> str:
        """The two numbers that are compared."""
        return f"{value},{move[1]}"
