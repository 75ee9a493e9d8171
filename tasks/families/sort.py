"""Sorting: the digits of a number in rising order, "sort 5281=?", by insertion."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise


class Sort(Stepwise):
    """Digits in rising order, written as one number; the level is how many are inserted."""

    name = "sort"
    levels = tuple(range(1, 6))
    description = "different digits 1 to 9 in rising order, as one number; level = digits less one"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """Different digits, so that every exchange of two of them is a mistake; no zero, so that none is lost."""
        first, *others = rng.sample(range(1, 10), level + 1)
        return first, [(",", digit) for digit in others]

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "sort 5281=?"."""
        return f"sort {start}{''.join(str(digit) for _, digit in moves)}=?"

    def apply(self, value: int, move: Move) -> int:
        """The digit goes before the first larger one."""
        digits, new = str(value), str(move[1])
        place = next((index for index, digit in enumerate(digits) if digit > new), len(digits))
        return int(digits[:place] + new + digits[place:])

    def mistake(self, result: int, rng: random.Random) -> int:
        """Two neighbours exchanged."""
        digits = list(str(result))
        left = rng.randrange(len(digits) - 1)
        digits[left], digits[left + 1] = digits[left + 1], digits[left]
        return int("".join(digits))
