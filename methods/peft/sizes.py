"""Settings that must fit the sizes of the base: what they are when left out, and the sentence that refuses a misfit.

A small model has sides that a library's default does not divide or exceeds; these defaults are taken from the targeted
matrices (path -> (out, in)) instead.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from rlvr_bench.methods.base.method import Shape
from rlvr_bench.methods.errors import MethodError

Matrices = Mapping[str, Shape]
"""Path -> (out, in) of the targeted matrices."""


class Size(Protocol):
    """What a setting has to do with the targeted matrices."""

    def default(self, matrices: Matrices) -> int:
        """Return the value of a setting that was left out."""

    def refuse(self, name: str, value: float, matrices: Matrices) -> None:
        """Raise `MethodError` when `value` of the setting `name` does not fit a matrix."""


@dataclass(frozen=True)
class Divides:
    """The setting divides every input size, output size, or both; left out it is the largest such number to `limit`."""

    sides: Literal["input", "output", "side"]
    limit: int
    multiple_of: int = 1

    def default(self, matrices: Matrices) -> int:
        common = self._common(matrices)
        fitting = [n for n in range(1, min(common, self.limit) + 1) if common % n == 0 and n % self.multiple_of == 0]
        return max(fitting, default=self.multiple_of)

    def refuse(self, name: str, value: float, matrices: Matrices) -> None:
        for path, shape in matrices.items():
            if value % self.multiple_of or any(size % value for size in self._sizes(shape)):
                raise MethodError(
                    f"{name} = {value} must divide every {self.sides} of the targets"
                    f"{f' and be a multiple of {self.multiple_of}' if self.multiple_of > 1 else ''}, and {path} is "
                    f"{shape[0]} x {shape[1]} (out x in); set {name} to a divisor of {self._common(matrices)}"
                )

    def _sizes(self, shape: Shape) -> Shape:
        return {"output": shape[:1], "input": shape[1:], "side": shape}[self.sides]

    def _common(self, matrices: Matrices) -> int:
        return math.gcd(*(size for shape in matrices.values() for size in self._sizes(shape)))


@dataclass(frozen=True)
class AtMost:
    """The setting is at most `bound` of every matrix, in `words`; left out it is `limit`, or the smallest bound."""

    bound: Callable[[Shape], int]
    words: str
    limit: int = 1

    def default(self, matrices: Matrices) -> int:
        return min(self.limit, *map(self.bound, matrices.values()))

    def refuse(self, name: str, value: float, matrices: Matrices) -> None:
        for path, shape in matrices.items():
            if value > self.bound(shape):
                raise MethodError(
                    f"{name} = {value} is more than {self.words} of {path}, {self.bound(shape)} of "
                    f"{shape[0]} x {shape[1]} (out x in); lower {name}, or leave the module out of targets"
                )


@dataclass(frozen=True)
class MultipleOf:
    """The setting is a multiple of `number`, whatever the matrices are."""

    number: int

    def default(self, matrices: Matrices) -> int:
        return self.number

    def refuse(self, name: str, value: float, matrices: Matrices) -> None:
        if value % self.number:
            raise MethodError(f"{name} = {value} must be a multiple of {self.number}")


SINGULAR_PARTS = AtMost(min, "the smaller side")
"""A rank of components that a matrix must have."""
