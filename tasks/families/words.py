"""Short templated word problems: "Ann has 7 pens, buys 5, loses 3. How many?"."""

import random
from collections.abc import Sequence

from rlvr_bench.tasks.families.stepwise import Move, Stepwise
from rlvr_bench.tasks.families.sums import draw_moves

NAMES = ("Ann", "Ben", "Eva", "Max", "Sam", "Tom")
THINGS = ("pens", "cups", "hats", "eggs", "coins", "books")
VERBS = {"+": ("buys", "finds", "gets"), "-": ("loses", "sells", "eats")}


class Words(Stepwise):
    """A quantity that grows and shrinks in words; the level is the number of changes."""

    name = "words"
    levels = tuple(range(1, 5))
    description = "short word problems on one quantity; level = changes of the quantity"

    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """A start of 1 to 19, then changes of one digit."""
        start = rng.randrange(1, 20)
        return start, draw_moves(rng, start, level)

    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """For example "Ann has 7 pens, buys 5, loses 3. How many?"."""
        changes = "".join(f", {rng.choice(VERBS[operator])} {operand}" for operator, operand in moves)
        return f"{rng.choice(NAMES)} has {start} {rng.choice(THINGS)}{changes}. How many?"

    def apply(self, value: int, move: Move) -> int:
        """Plain addition or subtraction."""
        operator, operand = move
        return value + operand if operator == "+" else value - operand
