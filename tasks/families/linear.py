"""Linear equations, solved by undoing one operation after the other: "2(3x+4)=26, x=?" by /2, -4, /3."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise

LARGEST = 99
UNDOES = {"+": "-", "-": "+", "*": "/"}


class Linear(Stepwise):
    """One unknown; the level is the number of operations between it and the right side."""

    name = "linear"
    levels = tuple(range(1, 5))
    description = "one linear equation in one unknown from 1 to 9; level = operations to undo"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """Start: the right side (at most LARGEST). Moves: what undoes the left side, ending at the unknown."""
        while True:
            value = rng.randrange(1, 10)
            undo: list[Move] = []
            multiply = rng.random() < 0.5
            for _ in range(level):
                operator = "*" if multiply else rng.choice("+-")
                operand = rng.randrange(2, 10)
                value = {"+": value + operand, "-": value - operand, "*": value * operand}[operator]
                undo.append((UNDOES[operator], operand))
                multiply = not multiply
                if not 0 < value <= LARGEST:
                    break
            else:
                return value, undo[::-1]

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "2(3x+4)=26, x=?"; the letter of the unknown varies."""
        unknown = rng.choice("abkmnxyz")
        left = unknown
        for operator, operand in reversed(moves):
            if operator == "/":
                left = f"{operand}{left}" if left == unknown else f"{operand}({left})"
            else:
                left = f"{left}{'+' if operator == '-' else '-'}{operand}"
        return f"{left}={start}, {unknown}=?"

    def apply(self, value: int, move: Move) -> int:
        """One undoing; division is without remainder in a problem and rounds down after a slip."""
        operator, operand = move
        if operator == "/":
            return value // operand
        return value + operand if operator == "+" else value - operand
