"""Bias tuning: the biases that the base has, and nothing else."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from rlvr_bench.methods.base.method import Method, Shape, ends_with
from rlvr_bench.methods.errors import MethodError


class Bitfit(Method):
    """The biases of the targeted modules; a base without biases, such as Llama, is refused."""

    family: ClassVar[str] = "gains"
    source: ClassVar[str] = "BitFit, arXiv 2106.10199"
    formula: ClassVar[str] = "y = W0 x + b, b trained from the base's own"
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)
    implementation: ClassVar[str] = "rlvr_bench.methods.full.handle:attach_biases"

    type: Literal["bitfit"] = "bitfit"

    @property
    def depends_on_seed(self) -> bool:
        return False

    def expected_trainable(self, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
        biases: dict[str, Shape | None] = {
            name: shape
            for name, shape in shapes.items()
            if name.endswith(".bias") and ends_with(name.removesuffix(".bias"), self.targets)
        }
        if not biases:
            raise MethodError(
                f"bitfit trains biases, and none of {', '.join(self.targets)} has one in this base; choose a base with "
                "biases, such as Qwen2, or steering vectors, which add them"
            )
        return biases
