"""Chains modulo 10: "7*3+4-9=?" is worked from left to right, and only the last digit is kept at every step."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise


class Chain(Stepwise):
    """Modular arithmetic; the level is the number of operations."""

    name = "chain"
    levels = tuple(range(1, 9))
    description = "last digit of a chain of + - * worked from left to right; level = operations"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """One-digit operands, operators drawn uniformly."""
        return rng.randrange(10), [(rng.choice("+-*"), rng.randrange(10)) for _ in range(level)]

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "7*3+4-9=?"."""
        return f"{start}{''.join(f'{operator}{operand}' for operator, operand in moves)}=?"

    def apply(self, value: int, move: Move) -> int:
        """The last digit after one operation."""
        operator, operand = move
        if operator == "*":
            return value * operand % 10
        return (value + operand if operator == "+" else value - operand) % 10

    def mistake(self, result: int, rng: random.Random) -> int:
        """Any other digit."""
        return (result + rng.randrange(1, 10)) % 10
