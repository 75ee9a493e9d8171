"""Counting: how often a digit stands in a row of digits, "count 3 in 37319=?"."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise


class Count(Stepwise):
    """Occurrences of one digit, counted along the row; the level is the length of the row."""

    name = "count"
    levels = tuple(range(3, 9))
    description = "occurrences of a digit in a row of digits; level = length of the row"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """The operator of every move is the digit that is looked for, which fills about a third of the row."""
        counted = rng.randrange(10)
        row = [counted if rng.random() < 0.3 else rng.randrange(10) for _ in range(level)]
        return 0, [(str(counted), digit) for digit in row]

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "count 3 in 37319=?"."""
        return f"count {moves[0][0]} in {''.join(str(digit) for _, digit in moves)}=?"

    def apply(self, value: int, move: Move) -> int:
        """One more if the digit is the wanted one."""
        counted, digit = move
        return value + (str(digit) == counted)

    def left_side(self, value: int, move: Move) -> str:
        """The digit that is looked at."""
        return str(move[1])

    def mistake(self, result: int, rng: random.Random) -> int:
        """One too many or one too few."""
        return rng.choice([wrong for wrong in (result - 1, result + 1) if wrong >= 0])
