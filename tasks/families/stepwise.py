"""Families whose answer is reached by a walk: a start value and moves that change it one after the other.

A subclass says how its questions look, what a move does and what a plausible mistake is; the worked steps, slips and
distractors follow from the walk. Values are integers throughout (sorting writes its digits as one number).
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from rlvr_bench.tasks.errors import TaskError
from rlvr_bench.tasks.families.family import Misbelief
from rlvr_bench.tasks.problem import Problem

Move = tuple[str, int]
"""An operator and its operand, for example ("*", 3)."""


class Stepwise(ABC):
    """A family of walks. Implements `Family`."""

    name: str
    levels: tuple[int, ...]
    description: str

    @abstractmethod
    def draw_walk(self, rng: random.Random, level: int) -> tuple[int, list[Move]]:
        """Start value and moves of a problem of `level`."""

    @abstractmethod
    def question(self, start: int, moves: Sequence[Move], rng: random.Random) -> str:
        """The text that asks for the end of the walk; `rng` chooses among wordings."""

    @abstractmethod
    def apply(self, value: int, move: Move) -> int:
        """The value after `move`; total, since after a slip it meets values that no problem was made for."""

    def left_side(self, value: int, move: Move) -> str:
        """What stands left of the "=" in a worked step."""
        return f"{value}{move[0]}{move[1]}"

    def mistake(self, result: int, rng: random.Random) -> int:
        """A plausible wrong value in place of `result`: near, or ten less; negative only if `result` is."""
        near = (result - 10, result - 2, result - 1, result + 1, result + 2)
        return rng.choice([wrong for wrong in near if wrong >= 0 or result < 0])

    def sample(self, rng: random.Random, level: int) -> Problem:
        """A problem of `level`; raises TaskError if the family has no such level."""
        if level not in self.levels:
            raise TaskError(
                f"Family {self.name!r} has no level {level}: choose from {self.levels[0]} to {self.levels[-1]}."
            )
        start, moves = self.draw_walk(rng, level)
        answer = start
        for move in moves:
            answer = self.apply(answer, move)
        return Problem(
            self.question(start, moves, rng), str(answer), self.name, level, {"start": start, "moves": moves}
        )

    def work(
        self, problem: Problem, rng: random.Random, slips: int = 0, misbelief: Misbelief | None = None
    ) -> tuple[list[str], str]:
        """See `Family.work`."""
        count = len(problem.extra["moves"])
        if not 0 <= slips <= count:
            raise TaskError(f"{slips} slips were asked for in {count} steps: ask for 0 to {count}.")
        if slips == 0:
            return self._walk(problem, rng, (), misbelief)
        while True:
            steps, answer = self._walk(problem, rng, rng.sample(range(count), slips), misbelief)
            if answer != problem.answer:  # a later "*0" can heal a slip: drawn again
                return steps, answer

    def distractor(self, problem: Problem, rng: random.Random) -> str:
        """A wrong but plausible answer."""
        return str(self.mistake(int(problem.answer), rng))

    def _walk(
        self, problem: Problem, rng: random.Random, slip_at: Collection[int], misbelief: Misbelief | None
    ) -> tuple[list[str], str]:
        value = int(problem.extra["start"])
        steps = []
        for index, (operator, operand) in enumerate(problem.extra["moves"]):
            move = (operator, operand)
            left, result = self.left_side(value, move), self.apply(value, move)
            fixed = misbelief(left) if misbelief is not None else None
            if fixed is not None:
                result = self.mistake(result, fixed)
            if index in slip_at:
                result = self.mistake(result, rng)
            steps.append(f"{left}={result}")
            value = result
        return steps, str(value)
