"""Bias tuning: the biases that the base has, and nothing else."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from rlvr_bench.methods.base.method import Calibration, Method, Shape, ends_with
from rlvr_bench.methods.errors import MethodError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from rlvr_bench.methods.base.handle import Handle


class Bitfit(Method):
    """The biases of the targeted modules; a base without biases, such as Llama, is refused."""

    family: ClassVar[str] = "gains"
    source: ClassVar[str] = "BitFit, arXiv 2106.10199"
    formula: ClassVar[str] = "y = W0 x + b, b trained from the base's own"
    learning_rates: ClassVar[tuple[float, float]] = (1e-6, 1e-2)

    type: Literal["bitfit"] = "bitfit"

    @property
    def depends_on_seed(self) -> bool:
        return False

    def attach(self, model: "PreTrainedModel", seed: int, calibration: Calibration | None = None) -> "Handle":
        from rlvr_bench.methods.base.handle import DenseHandle
        from rlvr_bench.methods.base.plain import PlainView

        shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
        biases = self.expected_trainable(shapes)
        view = PlainView(model)
        model.float()  # float32 master weights; layers refuse mixed dtypes
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in biases)
        return DenseHandle(model, view, self, seed)

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
